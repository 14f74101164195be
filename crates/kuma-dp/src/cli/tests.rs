use clap::CommandFactory as _;

use super::*;

fn run(args: &[&str]) -> RunArgs {
    match Cli::try_parse_from(["kuma-dp", "run"].iter().chain(args)).unwrap().command {
        Command::Run(args) => *args,
        other => panic!("{other:?}"),
    }
}

fn refused(args: &[&str]) -> String {
    Cli::try_parse_from(["kuma-dp", "run"].iter().chain(args)).unwrap_err().to_string()
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn documented_flags_are_understood() {
    let args = run(&[
        "--name=dp-echo-1",
        "--mesh=default",
        "--cp-address=http://127.0.0.1:5681",
        "--dataplane-token-file=/tmp/token",
        "--admin-port=30001-65535",
        "--config-dir=/tmp/work",
        "--drain-time=1m30s",
        "-v",
        "name=a,address=192.0.2.1",
        "--dataplane-var",
        "port=80",
    ]);
    assert_eq!(args.name.as_deref(), Some("dp-echo-1"));
    assert_eq!(args.work_dir.as_deref(), Some(std::path::Path::new("/tmp/work")));
    assert_eq!(args.drain_time, Duration::from_secs(90));
    assert_eq!(args.admin_port, Some(AdminPort::default()));
    assert_eq!(args.dataplane_var.len(), 3);
    assert_eq!(args.xds_transport, XdsTransport::DeltaGrpc);
}

#[test]
fn an_empty_admin_port_turns_it_off() {
    assert_eq!(run(&["--admin-port="]).admin_port, Some(AdminPort::Off));
    assert_eq!(run(&[]).admin_port, None);
}

#[test]
fn wrong_values_name_flag_and_form() {
    assert!(refused(&["--admin-port=x"]).contains("30001-65535"));
    assert!(refused(&["--drain-time=30"]).contains("must be a duration"));
    assert!(refused(&["--dataplane-var", "novalue"]).contains("name=value"));
    assert!(refused(&["--proxy-type=gateway"]).contains("dataplane, ingress, egress"));
    assert!(refused(&["--dataplane=x", "--dataplane-file=y"]).contains("cannot be used with"));
}

#[test]
fn a_token_is_not_printed() {
    assert!(!format!("{:?}", run(&["--dataplane-token=s3cret"])).contains("s3cret"));
}

#[test]
fn switches_may_have_a_value() {
    assert!(!run(&[]).skip_verify);
    assert!(run(&["--skip-verify"]).skip_verify);
    assert!(!run(&["--skip-verify=false"]).skip_verify);
    assert!(refused(&["--skip-verify=maybe"]).contains("--skip-verify"));
}

#[test]
fn flags_about_dns_are_taken_and_known_to_be_missed_only_where_it_is_wanted() {
    let wanted = |args: &[&str]| run(args).dns.is_wanted();
    assert!(!wanted(&[]));
    assert!(!wanted(&["--dns-enabled=false", "--dns-coredns-port=15053", "--dns-envoy-port", "15054"]));
    assert!(wanted(&["--dns-enabled"]));
    assert!(wanted(&["--dns-coredns-path=/usr/bin/coredns"]));
    assert!(wanted(&["--dns-enable-logging"]));
}
