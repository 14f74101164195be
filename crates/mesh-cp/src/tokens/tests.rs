use base::clock::ManualClock;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::resources::Settings;

struct Fixture {
    clock: Arc<ManualClock>,
    resources: Resources,
    tokens: Tokens,
}

impl Fixture {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap()));
        let resources = Resources::new(store::memory::open(Arc::clone(&clock) as _), Settings::default());
        let mesh = mesh_model::Kind::by_name("Mesh").unwrap();
        resources.put(mesh, "", "m", &BTreeMap::new(), &json!({})).await.unwrap();
        let tokens = Tokens::new(resources.clone(), Arc::clone(&clock) as _);
        Self { clock, resources, tokens }
    }

    async fn check(&self, token: &str, name: &str, dataplane: &Dataplane) -> Result<(), String> {
        self.tokens.validate_dataplane(token, "m", name, dataplane, None).await.map_err(|reason| reason.to_string())
    }
}

fn claims(name: &str, tags: &[(&str, &[&str])]) -> DataplaneClaims {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    DataplaneClaims {
        name: name.to_owned(),
        mesh: "m".to_owned(),
        tags: tags.iter().map(|(tag, all)| ((*tag).to_owned(), values(all))).collect(),
        ..DataplaneClaims::default()
    }
}

fn dataplane(services: &[&str]) -> Dataplane {
    let inbound = |service: &&str| mesh_model::dataplane::Inbound {
        tags: mesh_model::Tags::from([(SERVICE.to_owned(), (*service).to_owned())]),
        ..mesh_model::dataplane::Inbound::default()
    };
    Dataplane { inbounds: services.iter().map(inbound).collect(), ..Dataplane::default() }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_lets_in_what_it_is_for_and_nothing_else() {
    let fixture = Fixture::new().await;
    let web = dataplane(&["web"]);
    let issue = async |claims| fixture.tokens.issue_dataplane(claims, HOUR).await.unwrap();

    let any = issue(claims("", &[])).await;
    assert_eq!(fixture.check(&any, "a", &web).await, Ok(()));
    let named = issue(claims("a", &[])).await;
    assert_eq!(fixture.check(&named, "a", &web).await, Ok(()));
    assert!(fixture.check(&named, "b", &web).await.unwrap_err().contains("different than in token"));

    for tag in ["kuma.io/service", "service"] {
        let tagged = issue(claims("", &[(tag, &["web", "api"])])).await;
        assert_eq!(fixture.check(&tagged, "a", &dataplane(&["web", "api"])).await, Ok(()));
        assert!(fixture.check(&tagged, "a", &dataplane(&["web", "db"])).await.unwrap_err().contains("\"db\""));
    }
    let other_tag = issue(claims("", &[("team", &["a"])])).await;
    assert!(fixture.check(&other_tag, "a", &web).await.unwrap_err().contains("no tag \"team\""));

    let ingress = issue(DataplaneClaims { proxy_type: "ingress".to_owned(), ..claims("", &[]) }).await;
    assert!(fixture.check(&ingress, "a", &web).await.is_err());
    let workload = issue(DataplaneClaims { workload: "w".to_owned(), ..claims("", &[]) }).await;
    assert!(fixture.check(&workload, "a", &web).await.is_err());
    fixture.tokens.validate_dataplane(&workload, "m", "a", &web, Some("w")).await.unwrap();
}

#[tokio::test]
async fn tokens_end_are_revoked_and_belong_to_their_mesh() {
    let fixture = Fixture::new().await;
    let web = dataplane(&["web"]);
    let token = fixture.tokens.issue_dataplane(claims("", &[]), HOUR).await.unwrap();
    let other_mesh = fixture.tokens.validate_dataplane(&token, "n", "a", &web, None).await.unwrap_err();
    assert!(matches!(other_mesh, Reason::Token(JwtError::UnknownKey(_))), "{other_mesh}");

    let claims: Claims<DataplaneClaims> = {
        let pem = secrets::read(&fixture.resources, "m", "dataplane-token-signing-key-m-1").await.unwrap().unwrap();
        let key = jwt::SigningKey::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
        jwt::verify(&token, fixture.clock.now(), |_| Some(key.verification_key())).unwrap()
    };
    let list = format!("other, {}", claims.registered.jti);
    secrets::write(&fixture.resources, "m", "dataplane-token-revocations-m", list.as_bytes()).await.unwrap();
    assert_eq!(fixture.check(&token, "a", &web).await.unwrap_err(), "token is revoked");
    secrets::write(&fixture.resources, "m", "dataplane-token-revocations-m", b"other").await.unwrap();
    assert_eq!(fixture.check(&token, "a", &web).await, Ok(()));

    fixture.clock.advance(HOUR * 2);
    assert!(fixture.check(&token, "a", &web).await.unwrap_err().contains("expired"));
}

#[tokio::test]
async fn the_newest_key_signs_and_older_ones_still_verify() {
    let fixture = Fixture::new().await;
    let web = dataplane(&["web"]);
    let old = fixture.tokens.issue_dataplane(claims("", &[]), HOUR).await.unwrap();
    let key = keys::generate().await.unwrap();
    secrets::write(&fixture.resources, "m", "dataplane-token-signing-key-m-10", key.as_bytes()).await.unwrap();
    let new = fixture.tokens.issue_dataplane(claims("", &[]), HOUR).await.unwrap();
    assert_eq!((jwt::key_id(&old).unwrap(), jwt::key_id(&new).unwrap()), ("1".to_owned(), "10".to_owned()));
    assert_eq!(fixture.check(&old, "a", &web).await, Ok(()));
    assert_eq!(fixture.check(&new, "a", &web).await, Ok(()));

    let secret = secrets::kind("m");
    fixture.resources.delete(secret, "m", "dataplane-token-signing-key-m-1").await.unwrap();
    assert!(fixture.check(&old, "a", &web).await.unwrap_err().contains("no signing key"));
}

#[tokio::test]
async fn zone_tokens_are_for_a_zone_and_a_scope() {
    let fixture = Fixture::new().await;
    fixture.tokens.ensure_global_keys().await.unwrap();
    let claims = ZoneClaims { zone: "east".to_owned(), scope: vec!["ingress".to_owned()] };
    let token = fixture.tokens.issue_zone(claims, HOUR).await.unwrap();
    fixture.tokens.validate_zone(&token, "east", "ingress").await.unwrap();
    fixture.tokens.validate_zone(&token, "west", "ingress").await.unwrap_err();
    fixture.tokens.validate_zone(&token, "east", "egress").await.unwrap_err();
    fixture.tokens.validate_user(&token).await.unwrap_err();
}

#[tokio::test]
async fn garbage_is_refused() {
    let fixture = Fixture::new().await;
    let web = dataplane(&["web"]);
    for token in ["", "a", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30."] {
        fixture.check(token, "a", &web).await.unwrap_err();
    }
}
