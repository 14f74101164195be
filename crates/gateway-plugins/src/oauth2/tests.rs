use std::sync::Arc;
use std::time::Duration;

use gateway_proxy::pdk::{Content, Plugin, Tls, Trust};
use serde_json::{Value, json};

use super::{CREDENTIALS, OAuth2, TOKENS};
use crate::testing::{Exchange, Lab, configuration, shown, write};

const FORM: &str = "application/x-www-form-urlencoded";
const KEY: &str = "provision";

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.consumer("bob");
    lab.consumer("anon");
    let application = |id: &str, kind: &str| {
        json!({ "id": id, "client_id": format!("c-{id}"), "client_secret": "cs", "client_type": kind,
            "redirect_uris": ["http://a.com/cb?x=1", "http://a.com/other"] })
    };
    lab.credential(&OAuth2, CREDENTIALS, "bob", application("app", "confidential"));
    lab.credential(&OAuth2, CREDENTIALS, "bob", application("second", "confidential"));
    lab.credential(&OAuth2, CREDENTIALS, "bob", application("public", "public"));
    lab
}

fn plugin(lab: &Lab, mut config: Value) -> Arc<dyn Plugin> {
    config["provision_key"] = KEY.into();
    for grant in ["authorization_code", "implicit_grant", "client_credentials", "password_grant"] {
        config[format!("enable_{grant}")] = true.into();
    }
    lab.plugin(&OAuth2, config)
}

/// Over TLS, to a service.
fn secure(mut exchange: Exchange) -> Exchange {
    exchange.context.client.tls = Some(Arc::new(Tls { sni: None, version: "TLSv1.3", cipher: "" }));
    exchange.routed().served()
}

/// The answer of an endpoint: its status and its body.
fn post(lab: &Lab, plugin: &dyn Plugin, path: &str, form: &str) -> (u16, Value) {
    let answer = secure(lab.request("POST", path).body(FORM, form)).access(plugin).unwrap();
    assert_eq!(answer.headers.get_str("cache-control"), Some("no-store"));
    match answer.content {
        Content::Json(body) => (answer.status, body),
        other => panic!("{other:?}"),
    }
}

fn token(lab: &Lab, plugin: &dyn Plugin, form: &str) -> (u16, Value) {
    post(lab, plugin, "/api/oauth2/token", &format!("client_id=c-app&client_secret=cs&{form}"))
}

fn authorize(lab: &Lab, plugin: &dyn Plugin, form: &str) -> (u16, String) {
    let form = format!("provision_key={KEY}&authenticated_userid=ann&client_id=c-app&{form}");
    let (status, body) = post(lab, plugin, "/oauth2/authorize", &form);
    (status, body["redirect_uri"].as_str().unwrap_or_default().to_owned())
}

/// A call with a token: the exchange, and the error if it was refused.
fn call(lab: &Lab, plugin: &dyn Plugin, token: &str) -> Result<Exchange, String> {
    let mut exchange = secure(lab.request("GET", "/").header("Authorization", &format!("Bearer {token}")));
    match exchange.access(plugin) {
        None => Ok(exchange),
        Some(answer) => {
            assert_eq!(answer.status, 401);
            match answer.content {
                Content::Json(body) => Err(body["error"].as_str().unwrap().to_owned()),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn defaults_are_complete() {
    let mut expected = json!({
        "accept_http_if_already_terminated": false, "anonymous": null, "auth_header_name": "authorization",
        "enable_authorization_code": false, "enable_client_credentials": true, "enable_implicit_grant": false,
        "enable_password_grant": false, "global_credentials": false, "hide_credentials": false,
        "mandatory_scope": false, "pkce": "lax", "realm": null, "refresh_token_ttl": 1_209_600,
        "reuse_refresh_token": false, "scopes": null, "token_expiration": 7200,
    });
    let shown = shown("oauth2", json!({ "enable_client_credentials": true }));
    assert_eq!(shown["provision_key"].as_str().map(str::len), Some(32));
    expected["provision_key"] = shown["provision_key"].clone();
    assert_eq!(shown, expected);
    assert!(configuration("oauth2", json!({ "mandatory_scope": true })).is_err());
}

#[test]
fn there_is_a_way_to_a_token() {
    let error = configuration("oauth2", json!({ "scopes": ["a"] })).unwrap_err();
    let told = "at least one of these fields must be true: enable_authorization_code, enable_implicit_grant, \
                enable_client_credentials, enable_password_grant";
    assert_eq!(error["fields"], json!({ "config": told }));
}

#[test]
fn applications_are_checked() {
    let owner = json!({ "id": "00000000-0000-4000-8000-000000000000" });
    let application = |fields: Value| {
        let mut document = json!({ "name": "app", "consumer": owner });
        document.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        write("oauth2_credentials", document)
    };
    let made = application(json!({ "redirect_uris": ["http://a.com/cb"] })).unwrap();
    assert_eq!((text(&made["client_id"]).len(), &made["client_type"]), (32, &json!("confidential")));
    for (uri, message) in [("x", "cannot parse 'x'"), ("http://a.com/#f", "fragment not allowed in 'http://a.com/#f'")]
    {
        let error = application(json!({ "redirect_uris": [uri] })).unwrap_err();
        assert_eq!(error["fields"]["redirect_uris"][0], message);
    }
}

#[test]
fn applications_get_tokens_for_themselves() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "scopes": ["a", "b"], "realm": "r" }));
    let (status, body) = token(&lab, &*plugin, "grant_type=client_credentials&scope=a%20%20b&state=s");
    assert_eq!((status, &body["expires_in"], &body["token_type"]), (200, &json!(7200), &json!("bearer")));
    assert_eq!((&body["state"], body.get("refresh_token")), (&json!("s"), None));
    let access = text(&body["access_token"]);
    let exchange = call(&lab, &*plugin, &access).unwrap();
    assert_eq!(exchange.upstream("X-Consumer-Username"), Some("bob"));
    assert_eq!(exchange.upstream("X-Credential-Identifier"), Some("c-app"));
    assert_eq!(
        (exchange.upstream("X-Authenticated-Scope"), exchange.upstream("X-Authenticated-UserId")),
        (Some("a b"), None)
    );
    lab.clock.advance(Duration::from_secs(7201));
    assert_eq!(call(&lab, &*plugin, &access).err().as_deref(), Some("invalid_token"));
}

#[test]
fn only_known_applications_get_tokens() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "scopes": ["a"], "mandatory_scope": true }));
    let error = |form: &str| {
        let (status, body) = post(&lab, &*plugin, "/oauth2/token", form);
        (status, text(&body["error"]))
    };
    let is = |error: &str| (400, error.to_owned());
    let good = "grant_type=client_credentials&client_id=c-app";
    assert_eq!(error(good), is("invalid_client"));
    assert_eq!(error(&format!("{good}&client_secret=no&scope=a")), is("invalid_client"));
    assert_eq!(error("grant_type=client_credentials&client_id=zz&client_secret=cs&scope=a"), is("invalid_client"));
    assert_eq!(error(&format!("{good}&client_secret=cs")), is("invalid_scope"));
    assert_eq!(error(&format!("{good}&client_secret=cs&scope=z")), is("invalid_scope"));
    assert_eq!(error("grant_type=x&client_id=c-app&client_secret=cs"), is("unsupported_grant_type"));
    assert_eq!(error(&format!("{good}&client_secret=cs&scope=a&redirect_uri=http://b")), is("invalid_request"));
    assert_eq!(
        error(&format!("{good}&client_secret=cs&scope=a&authenticated_userid=u&provision_key=x")),
        is("invalid_provision_key")
    );
}

#[test]
fn applications_may_show_their_secret_in_a_header() {
    let lab = lab();
    let plugin = plugin(&lab, json!({}));
    let status = |credentials: &str| {
        let request = lab.request("POST", "/oauth2/token").body(FORM, "grant_type=client_credentials");
        let answer = secure(request.header("Authorization", credentials)).access(&*plugin).unwrap();
        (answer.status, answer.headers.get_str("WWW-Authenticate").map(str::to_owned))
    };
    assert_eq!(status("Basic Yy1hcHA6Y3M=").0, 200);
    assert_eq!(status("Basic Yy1hcHA6bm8="), (401, Some("Basic realm=\"OAuth2.0\"".to_owned())));
}

#[test]
fn endpoints_need_tls_and_post() {
    let mut lab = lab();
    lab.consumer("x");
    let plugin = plugin(&lab, json!({ "accept_http_if_already_terminated": true }));
    let plain = |trust| {
        let form = "grant_type=client_credentials&client_id=c-app&client_secret=cs";
        let mut request = lab.request("POST", "/oauth2/token").body(FORM, form).header("X-Forwarded-Proto", "https");
        request.context.client.trust = trust;
        request.routed().served().access(&*plugin).unwrap().status
    };
    assert_eq!((plain(Trust::Untrusted), plain(Trust::Trusted)), (400, 200));
    let answer = secure(lab.request("GET", "/oauth2/token")).access(&*plugin).unwrap();
    assert_eq!(answer.status, 405);
    assert_eq!(
        answer.headers.get_str("WWW-Authenticate"),
        Some(
            "Bearer error=\"invalid_method\" error_description=\"The HTTP method GET is invalid for the token endpoint\""
        )
    );
}

#[test]
fn codes_are_exchanged_once() {
    let lab = lab();
    let plugin = plugin(&lab, json!({}));
    let code = || {
        let (status, uri) = authorize(&lab, &*plugin, "response_type=code&state=s");
        assert_eq!(status, 200);
        let (base, rest) = uri.split_once("?code=").unwrap();
        assert_eq!((base, rest.get(32..)), ("http://a.com/cb", Some("&state=s&x=1")));
        rest[..32].to_owned()
    };
    let exchange = |code: &str| token(&lab, &*plugin, &format!("grant_type=authorization_code&code={code}"));
    let first = code();
    let (status, body) = exchange(&first);
    assert_eq!(status, 200);
    let exchanged = call(&lab, &*plugin, &text(&body["access_token"])).unwrap();
    assert_eq!(exchanged.upstream("X-Authenticated-UserId"), Some("ann"));
    assert_eq!(exchange(&first).0, 400);
    let late = code();
    lab.clock.advance(Duration::from_secs(300));
    assert_eq!(exchange(&late).0, 400);
    let others = code();
    let form = format!("grant_type=authorization_code&code={others}&client_id=c-second&client_secret=cs");
    assert_eq!(post(&lab, &*plugin, "/oauth2/token", &form).0, 400);
}

#[test]
fn users_are_authorized_by_whom_is_trusted_with_it() {
    let lab = lab();
    let plugin = plugin(&lab, json!({}));
    let error = |form: &str| text(&post(&lab, &*plugin, "/oauth2/authorize", form).1["error"]);
    assert_eq!(error("provision_key=x&authenticated_userid=ann&client_id=c-app"), "invalid_provision_key");
    assert_eq!(
        error("provision_key=provision&authenticated_userid=%20&client_id=c-app"),
        "invalid_authenticated_userid"
    );
    assert_eq!(error("provision_key=provision&authenticated_userid=ann&client_id=zz"), "invalid_client");
    let (status, uri) = authorize(&lab, &*plugin, "response_type=zz");
    assert_eq!(
        (status, &*uri),
        (400, "http://a.com/cb?error=unsupported_response_type&error_description=Invalid%20response_type&x=1")
    );
    let (status, uri) = authorize(&lab, &*plugin, "response_type=code&redirect_uri=http://evil");
    assert!(status == 400 && uri.starts_with("http://a.com/cb?error=invalid_request&"), "{uri}");
    let (status, uri) = authorize(&lab, &*plugin, "response_type=token&redirect_uri=http://a.com/other");
    assert!(status == 200 && uri.starts_with("http://a.com/other#access_token="), "{uri}");
}

#[test]
fn codes_are_bound_to_who_asked() {
    let lab = lab();
    let plugin = plugin(&lab, json!({ "pkce": "strict" }));
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let code = || {
        let (_, uri) = authorize(&lab, &*plugin, &format!("response_type=code&{challenge}"));
        uri.split_once("?code=").unwrap().1[..32].to_owned()
    };
    let error = |verifier: &str| {
        let form = format!("grant_type=authorization_code&code={}{verifier}", code());
        token(&lab, &*plugin, &form).1["error"].as_str().map(str::to_owned)
    };
    assert_eq!(error(&format!("&code_verifier={verifier}")), None);
    assert_eq!(error("&code_verifier=other").as_deref(), Some("invalid_grant"));
    assert_eq!(error("").as_deref(), Some("invalid_request"));
    assert_eq!(authorize(&lab, &*plugin, "response_type=code").0, 400);
    assert_eq!(authorize(&lab, &*plugin, "response_type=code&code_challenge=x&code_challenge_method=plain").0, 400);
}

#[test]
fn tokens_are_renewed() {
    let lab = lab();
    let once = plugin(&lab, json!({ "refresh_token_ttl": 10_000 }));
    let password = format!("grant_type=password&provision_key={KEY}&authenticated_userid=ann");
    let renew = |plugin: &dyn Plugin, refresh: &str| {
        token(&lab, plugin, &format!("grant_type=refresh_token&refresh_token={refresh}"))
    };
    let (_, body) = token(&lab, &*once, &password);
    let (old, refresh) = (text(&body["access_token"]), text(&body["refresh_token"]));
    lab.clock.advance(Duration::from_secs(9000));
    let (status, renewed) = renew(&*once, &refresh);
    assert_eq!(status, 200);
    assert!(call(&lab, &*once, &old).is_err());
    assert!(call(&lab, &*once, &text(&renewed["access_token"])).is_ok());
    assert_eq!(renew(&*once, &refresh).0, 400);
    lab.clock.advance(Duration::from_secs(10_000));
    assert_eq!(renew(&*once, &text(&renewed["refresh_token"])).0, 400);

    let again = plugin(&lab, json!({ "reuse_refresh_token": true }));
    let (_, body) = token(&lab, &*again, &password);
    let refresh = text(&body["refresh_token"]);
    for _ in 0..2 {
        assert_eq!(text(&renew(&*again, &refresh).1["refresh_token"]), refresh);
    }
}

#[test]
fn tokens_are_for_their_service() {
    let lab = lab();
    let own = plugin(&lab, json!({}));
    let global = plugin(&lab, json!({ "global_credentials": true }));
    let access = |plugin: &dyn Plugin| text(&token(&lab, plugin, "grant_type=client_credentials").1["access_token"]);
    let elsewhere = |plugin: &dyn Plugin, token: &str| {
        let mut exchange = secure(lab.request("GET", "/").header("Authorization", &format!("token {token}")));
        let mut service = exchange.context.service.as_deref().cloned().unwrap();
        service.id = "another".into();
        exchange.context.service = Some(Arc::new(service));
        exchange.access(plugin).is_none()
    };
    assert!(!elsewhere(&*own, &access(&*own)));
    assert!(elsewhere(&*global, &access(&*global)));
    assert!(!elsewhere(&*own, &access(&*global)));
}

#[test]
fn tokens_may_be_brought_along_and_hidden() {
    let mut lab = lab();
    let document = json!({ "id": "t", "access_token": "brought", "credential": { "id": "app" }, "expires_in": 0 });
    lab.credential(&OAuth2, TOKENS, "bob", document);
    let plugin = plugin(&lab, json!({ "global_credentials": true, "hide_credentials": true }));
    let mut request = secure(lab.request("GET", "/?access_token=brought&z=1"));
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.query(), "?z=1");
    let mut request = secure(lab.request("POST", "/").body(FORM, "access_token=brought&z=1"));
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.context.replaced_body.as_deref(), Some(&b"z=1"[..]));
    assert_eq!(call(&lab, &*plugin, "brought").unwrap().upstream("Authorization"), None);
}

#[test]
fn who_shows_no_token_is_refused_or_anonymous() {
    let lab = lab();
    let answer = secure(lab.request("GET", "/")).access(&*plugin(&lab, json!({}))).unwrap();
    assert_eq!(answer.headers.get_str("WWW-Authenticate"), Some("Bearer"));
    let Content::Json(body) = answer.content else { panic!("{:?}", answer.content) };
    assert_eq!(body, json!({ "error": "invalid_request", "error_description": "The access token is missing" }));
    let plugin = plugin(&lab, json!({ "anonymous": "anon" }));
    let mut request = secure(lab.request("GET", "/")).header("X-Authenticated-UserId", "spoof");
    assert!(request.access(&*plugin).is_none());
    assert_eq!(request.upstream("X-Consumer-Username"), Some("anon"));
    assert_eq!(request.upstream("X-Authenticated-UserId"), None);
}
