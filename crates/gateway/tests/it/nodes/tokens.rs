//! Codes and tokens of one node are good on all, and outlive it.

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::echo::HttpEcho;

use super::{Running, database, until};

/// Whoever calls says that it used TLS, and is believed.
fn trusting(mut settings: Vec<(String, String)>) -> Vec<(String, String)> {
    settings.push(("trusted_ips".to_owned(), "127.0.0.1".to_owned()));
    settings
}

async fn protect(node: &Running, echo: &HttpEcho) {
    node.publish("api", echo).await;
    let config = json!({
        "provision_key": "provision", "accept_http_if_already_terminated": true, "enable_authorization_code": true,
        "enable_password_grant": true,
    });
    node.create("/services/api/plugins", json!({ "name": "oauth2", "config": config })).await;
    node.create("/consumers", json!({ "username": "ann" })).await;
    let application = json!({
        "name": "app", "client_id": "app", "client_secret": "secret", "redirect_uris": ["http://a.com/cb"],
    });
    node.create("/consumers/ann/oauth2", application).await;
}

/// What an endpoint of the plugin says.
async fn ask(node: &Running, endpoint: &str, form: &str) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}/api/oauth2/{endpoint}", node.proxy);
    let request = node.client.post(url).header("X-Forwarded-Proto", "https");
    let form = format!("client_id=app&client_secret=secret&provision_key=provision&authenticated_userid=u&{form}");
    let answer = request.header("Content-Type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The status of a call with a token.
async fn call(node: &Running, token: &str) -> u16 {
    let url = format!("http://127.0.0.1:{}/api", node.proxy);
    node.client.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_one_node_are_good_on_the_other() {
    let database = database().await;
    let settings = trusting(database.address().kong());
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let (one, two) = tokio::join!(Running::start(&settings), Running::start(&settings));
    protect(&one, &echo).await;
    until("the other node asks for a token", 401, || two.proxied("/api")).await;

    let (status, given) = ask(&one, "token", "grant_type=password").await;
    assert_eq!(status, 200, "{given}");
    let token = text(&given, "access_token");
    assert_eq!(call(&one, &token).await, 200, "it is good at once where it was given");
    until("and soon on the other node", 200, || call(&two, &token)).await;

    // Renewed there, it is good here no longer.
    let renew = format!("grant_type=refresh_token&refresh_token={}", text(&given, "refresh_token"));
    let (status, renewed) = ask(&two, "token", &renew).await;
    assert_eq!(status, 200, "{renewed}");
    assert_eq!(call(&two, &token).await, 401);
    until("the old one is gone everywhere", 401, || call(&one, &token)).await;
    let token = text(&renewed, "access_token");
    until("the new one is good everywhere", 200, || call(&one, &token)).await;
    assert_eq!(ask(&two, "token", &renew).await.0, 400);

    // A code is exchanged once, whichever node is asked.
    let (status, given) = ask(&one, "authorize", "response_type=code").await;
    assert_eq!(status, 200, "{given}");
    let uri = text(&given, "redirect_uri");
    let code = uri.split_once("code=").unwrap().1;
    let exchange = format!("grant_type=authorization_code&code={code}");
    // Whatever was written before what the other node has now is there as well.
    one.create("/consumers", json!({ "username": "bob" })).await;
    until("the other node has it", 200, || async { two.read("/consumers/bob").await.0 }).await;
    let (a, b) = tokio::join!(ask(&one, "token", &exchange), ask(&two, "token", &exchange));
    let mut statuses = [a.0, b.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{a:?} {b:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_outlive_the_node_and_can_be_looked_at_and_revoked() {
    let echo = HttpEcho::start("one", 0).await.unwrap();
    let settings = trusting(Vec::new());
    let node = Running::start_in(TempDir::with_prefix("node-").unwrap(), &settings).await.unwrap();
    protect(&node, &echo).await;
    let (_, given) = ask(&node, "token", "grant_type=password").await;
    let token = text(&given, "access_token");
    let node = Running::start_in(node.stop().await, &settings).await.unwrap();
    assert_eq!(call(&node, &token).await, 200);
    let (_, list) = node.read("/oauth2_tokens").await;
    let shown = &list["data"][0];
    assert_eq!((&shown["access_token"], &shown["expires_in"]), (&json!(token), &json!(7200)));
    assert!(shown["ttl"].as_i64().is_some_and(|ttl| (1_200_000..=1_209_600).contains(&ttl)), "{shown}");
    assert_eq!(node.call("DELETE", &format!("/oauth2_tokens/{token}"), Value::Null).await.0, 204);
    assert_eq!(call(&node, &token).await, 401);
}
