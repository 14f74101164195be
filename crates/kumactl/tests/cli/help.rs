use insta::assert_snapshot;

use crate::support::Bench;

#[tokio::test]
async fn the_program() {
    assert_snapshot!(Bench::new().run("--help").await, @r#"
    Manage a service mesh: its resources, its tokens and what its proxies are doing

    Usage: kumactl [OPTIONS] <COMMAND>

    Commands:
      apply       Create or update resources
      completion  Print a completion script for a shell
      config      Choose the control planes to talk to
      delete      Delete a resource
      export      Print all resources as YAML, ready for apply
      generate    Generate tokens, keys and certificates
      get         Show resources
      inspect     Show what data plane proxies, services and zones are doing
      install     Install components
      manage      Manage certificate authorities
      version     Print the versions of this program and of the control plane
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Global options:
          --config-file <FILE>      Configuration file [default: ~/.kumactl/config]
          --context <NAME>          Context of the configuration file to use instead of the current one
          --no-config               Ignore the configuration file and use http://localhost:5681
      -m, --mesh <NAME>             Mesh to work in [default: the context's mesh, else "default"]
          --api-timeout <DURATION>  How long to wait for the control plane, for example 30s or 1m
                                    [default: 1m]
          --log-level <LEVEL>       How much to say about what is being done [default: off] [possible
                                    values: off, info, debug]

    First steps:
      kumactl config control-planes add --name prod --address http://kuma.example.com:5681
      kumactl get meshes
      kumactl apply -f traffic-permission.yaml
      kumactl inspect dataplanes
    "#);
}

#[tokio::test]
async fn commands() {
    let bench = Bench::new();
    assert_snapshot!(bench.run("apply --help").await, @r#"
    Create or update resources

    Usage: kumactl apply [OPTIONS]

    Options:
      -f, --file <FILE>      File, directory, URL or - for stdin; may be repeated [default: -]
      -v, --var <KEY=VALUE>  Value of a {{ variable }} in the files; may be repeated
          --dry-run          Check the resources and print them, but send nothing
      -h, --help             Print help

    Global options:
          --config-file <FILE>      Configuration file [default: ~/.kumactl/config]
          --context <NAME>          Context of the configuration file to use instead of the current one
          --no-config               Ignore the configuration file and use http://localhost:5681
      -m, --mesh <NAME>             Mesh to work in [default: the context's mesh, else "default"]
          --api-timeout <DURATION>  How long to wait for the control plane, for example 30s or 1m
                                    [default: 1m]
          --log-level <LEVEL>       How much to say about what is being done [default: off] [possible
                                    values: off, info, debug]

    All files are read and checked before anything is sent.
    Files may hold several YAML or JSON documents, in the universal or the Kubernetes form.

    Examples:
      kumactl apply -f mesh.yaml
      kumactl apply -f policies/ -f https://example.com/more.yaml
      kumactl apply -f dataplane.yaml -v name=web-1 -v address=10.0.0.1
      printf 'type: Mesh\nname: demo\n' | kumactl apply -f -
    "#);
    assert_snapshot!(bench.run("help get").await, @r#"
    Show resources

    Usage: kumactl get [OPTIONS] <TYPE> [NAME]

    Arguments:
      <TYPE>
              Type of resource: plural for a list, singular with a NAME for one

      [NAME]
              Name of the resource

    Options:
      -o, --output <FORM>
              Form of the output
              
              [default: table]
              [possible values: table, yaml, json]

          --size <SIZE>
              Largest number of resources to list

          --offset <OFFSET>
              Where to go on listing, as the end of the list before said

      -h, --help
              Print help (see a summary with '-h')

    Global options:
          --config-file <FILE>
              Configuration file [default: ~/.kumactl/config]

          --context <NAME>
              Context of the configuration file to use instead of the current one

          --no-config
              Ignore the configuration file and use http://localhost:5681

      -m, --mesh <NAME>
              Mesh to work in [default: the context's mesh, else "default"]

          --api-timeout <DURATION>
              How long to wait for the control plane, for example 30s or 1m
              
              [default: 1m]

          --log-level <LEVEL>
              How much to say about what is being done
              
              [default: off]
              [possible values: off, info, debug]

    Types:
      circuit-breaker      circuit-breakers
      dataplane            dataplanes
      dataplane-insights
      external-service     external-services
      fault-injection      fault-injections
      global-secret        global-secrets
      healthcheck          healthchecks
      mesh                 meshes
      meshgateway          meshgateways
      meshgatewayroute     meshgatewayroutes
      mesh-insights
      proxytemplate        proxytemplates
      rate-limit           rate-limits
      retry                retries
      secret               secrets
      service-insights
      timeout              timeouts
      traffic-log          traffic-logs
      traffic-permission   traffic-permissions
      traffic-route        traffic-routes
      traffic-trace        traffic-traces
      virtual-outbound     virtual-outbounds
      zone                 zones
      zoneegress           zoneegresses
      zoneegressinsights
      zoneingress          zoneingresses
      zone-ingress-insights
      zone-insights
    "#);
    for command in ["config", "delete", "export", "generate", "inspect", "install", "manage", "version"] {
        let help = bench.run(&format!("{command} --help")).await;
        assert!(help.success && help.stdout.contains("Usage: kumactl"), "{help}");
    }
}

#[tokio::test]
async fn versions() {
    let bench = Bench::new().on("GET /", 200, r#"{"product":"Kuma","version":"2.14.3"}"#);
    let version = bench.run("version").await.to_string().replace(env!("CARGO_PKG_VERSION"), "OWN");
    assert_snapshot!(version, @"
    > GET /
    Client: Kuma 2.14.3 (Higuma OWN)
    Server: Kuma 2.14.3
    ");
    let detailed = bench.run("version --detailed").await;
    assert!(detailed.stdout.contains("Compatible: Kuma 2.14.3"), "{detailed}");
    assert_eq!(bench.run("version -a").await.stdout, detailed.stdout);
}

#[tokio::test]
async fn completion_knows_commands_and_types() {
    let bench = Bench::new();
    for shell in ["bash", "fish", "zsh"] {
        let script = bench.run(&format!("completion {shell}")).await.stdout;
        // fish is told of no values that the help leaves out.
        let types = if shell == "fish" { "" } else { "traffic-permissions" };
        for word in ["control-planes", "dataplane-token", types] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    assert!(!bench.run("completion tcsh").await.success);
}
