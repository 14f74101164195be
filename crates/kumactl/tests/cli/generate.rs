use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use pki::CertificateInfo;
use pki::jwt::{self, DataplaneClaims, SigningKey, UserClaims, ZoneClaims};
use serde::de::DeserializeOwned;

use crate::support::{Bench, NOW};

#[tokio::test]
async fn tokens_are_asked_for() {
    let bench = Bench::new().on("POST /tokens/dataplane", 200, "a.b.c").on("POST /tokens/zone", 200, "d.e.f").on(
        "POST /tokens/user",
        200,
        "g.h.i",
    );
    assert_snapshot!(bench.run("generate dataplane-token --name=dp-echo-1 --mesh=default").await, @r#"
    > POST /tokens/dataplane {"name":"dp-echo-1","mesh":"default","tags":{},"type":"dataplane"}
    a.b.c(no line end)
    "#);
    assert_snapshot!(bench.run("--mesh demo generate dataplane-token --dataplane web-1").await, @r#"
    > POST /tokens/dataplane {"name":"web-1","mesh":"demo","tags":{},"type":"dataplane"}
    a.b.c(no line end)
    "#);
    let line = "generate dataplane-token --tag kuma.io/service=web,api --tag v=1 --proxy-type ingress --workload w --valid-for 720h";
    assert_snapshot!(bench.run(line).await, @r#"
    > POST /tokens/dataplane {"name":"","mesh":"default","tags":{"kuma.io/service":["web","api"],"v":["1"]},"type":"ingress","workload":"w","validFor":"720h0m0s"}
    a.b.c(no line end)
    "#);
    assert_snapshot!(bench.run("generate zone-token --zone east --valid-for 30m").await, @r#"
    > POST /tokens/zone {"zone":"east","scope":["ingress","egress"],"validFor":"30m0s"}
    d.e.f(no line end)
    "#);
    assert_snapshot!(bench.run("generate user-token --name jane --group a,b --group c --valid-for 1h").await, @r#"
    > POST /tokens/user {"name":"jane","groups":["a","b","c"],"validFor":"1h0m0s"}
    g.h.i(no line end)
    "#);
}

#[tokio::test]
async fn old_control_planes_issue_tokens_elsewhere() {
    let bench = Bench::new().on("POST /tokens", 200, "a.b.c");
    assert_snapshot!(bench.run("generate dataplane-token --name=dp-echo-1").await, @r#"
    > POST /tokens/dataplane {"name":"dp-echo-1","mesh":"default","tags":{},"type":"dataplane"}
    > POST /tokens {"name":"dp-echo-1","mesh":"default","tags":{},"type":"dataplane"}
    a.b.c(no line end)
    "#);
    assert_snapshot!(Bench::new().run("generate dataplane-token --name=dp-echo-1").await, @r#"
    > POST /tokens/dataplane {"name":"dp-echo-1","mesh":"default","tags":{},"type":"dataplane"}
    > POST /tokens {"name":"dp-echo-1","mesh":"default","tags":{},"type":"dataplane"}
    ! Error: failed to generate a token: Could not retrieve a resource (Not found)
    (failed)
    "#);
    let refusal = r#"{"title":"Invalid request","details":"Resource is not valid","causes":[{"field":"validFor","message":"is too long"}]}"#;
    let bench = Bench::new().on("POST /tokens/user", 400, refusal);
    assert_snapshot!(bench.run("generate user-token --name jane --valid-for 1h").await, @r#"
    > POST /tokens/user {"name":"jane","groups":[],"validFor":"1h0m0s"}
    ! Error: failed to generate a token: Invalid request (Resource is not valid)
    ! * validFor: is too long
    (failed)
    "#);
}

#[tokio::test]
async fn tokens_are_signed_offline() {
    let bench = Bench::new();
    for format in ["pem", "pem-base64"] {
        let key = bench.run(&format!("generate signing-key --format={format}")).await.stdout;
        let bench = Bench::new().file("key", &key);
        let public = bench.run("generate public-key --signing-key-path HOME/key").await.stdout;
        let key = jwt::VerificationKey::from_pem(&public).unwrap();

        let line = "generate dataplane-token --name web-1 -m demo --tag v=1,2 --signing-key-path HOME/key --kid k1";
        let token = verify::<DataplaneClaims>(&bench.run(line).await.stdout, &key);
        assert_eq!((token.own.name.as_str(), token.own.mesh.as_str()), ("web-1", "demo"));
        assert_eq!(token.own.tags["v"], ["1", "2"]);
        assert_eq!(token.registered.exp, Some(1_772_366_400 + 10 * 365 * 24 * 3600));

        let line = "generate zone-token --zone east --scope egress --valid-for 1h --signing-key-path HOME/key --kid k1";
        let token = verify::<ZoneClaims>(&bench.run(line).await.stdout, &key);
        assert_eq!((token.own.zone.as_str(), token.own.scope), ("east", vec!["egress".to_owned()]));
        assert_eq!(token.registered.exp, Some(1_772_366_400 + 3600));

        let line = "generate user-token --name jane --group admins --valid-for 1h --signing-key-path HOME/key --kid k1";
        let token = verify::<UserClaims>(&bench.run(line).await.stdout, &key);
        assert_eq!((token.own.name.as_str(), token.own.groups), ("jane", vec!["admins".to_owned()]));
    }
}

fn verify<C: DeserializeOwned>(token: &str, key: &jwt::VerificationKey) -> jwt::Claims<C> {
    jwt::verify(token, NOW.parse().unwrap(), |kid| (kid == "k1").then_some(key)).unwrap()
}

#[tokio::test]
async fn offline_signing_needs_key_and_id() {
    let bench = Bench::new().file("not-a-key", "hello").file("key", SigningKey::generate().unwrap().pem().expose());
    let missing = bench.run("generate dataplane-token --name a --signing-key-path HOME/key").await;
    assert!(missing.stderr.contains("--kid"), "{missing}");
    let line = "generate dataplane-token --name a --signing-key-path HOME/not-a-key --kid 1";
    let refused = bench.run(line).await;
    assert!(refused.stderr.starts_with("Error: HOME/not-a-key is not a signing key: "), "{refused}");
    assert!(!refused.success);
}

#[tokio::test]
async fn certificates_are_written() {
    let bench = Bench::new();
    let line = "generate tls-certificate --cert-file=HOME/cert --key-file=HOME/key --type=server \
                --cp-hostname=cp.example.com --hostname=127.0.0.1";
    assert_snapshot!(bench.run(line).await, @"
    Private key saved in HOME/key
    Certificate saved in HOME/cert
    ");
    let info = CertificateInfo::from_pem(&bench.read("cert")).unwrap();
    assert!(info.covers_host("cp.example.com") && info.covers_host("127.0.0.1"));
    assert!(bench.read("key").contains("PRIVATE KEY"));
    let mode = std::fs::metadata(bench.home.path().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let line = "generate tls-certificate --type=client --key-type=ecdsa --cert-file=- --key-file=-";
    let both = bench.run(line).await;
    assert!(both.success && both.stdout.contains("PRIVATE KEY"), "{both}");
    assert!(CertificateInfo::from_pem(&both.stdout).is_ok_and(|info| info.dns_names.is_empty()));
    assert!(!both.stdout.contains("saved"));

    assert_snapshot!(bench.run("generate tls-certificate --type=server").await, @"
    ! Error: a server's certificate needs the names it is reached by: --hostname HOST
    (failed)
    ");
    assert_snapshot!(bench.run("generate tls-certificate --type=client --key-file=/absent/key").await, @"
    ! Error: could not write /absent/key: No such file or directory (os error 2)
    (failed)
    ");
}
