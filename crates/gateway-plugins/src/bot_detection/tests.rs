use serde_json::{Value, json};

use super::BotDetection;
use crate::testing::{Lab, configuration, shown, words};

fn verdict(config: Value, agents: &[&str]) -> Option<(u16, String)> {
    let lab = Lab::new();
    let plugin = lab.plugin(&BotDetection, config);
    let mut request = lab.request("GET", "/");
    for agent in agents {
        request = request.header("User-Agent", agent);
    }
    request.access(&*plugin).map(|answer| (answer.status, words(&answer).to_owned()))
}

#[test]
fn defaults_are_complete() {
    assert_eq!(shown("bot-detection", json!({})), json!({ "allow": [], "deny": [] }));
    let error = configuration("bot-detection", json!({ "deny": ["("] })).unwrap_err();
    assert!(error["fields"]["config"]["deny"][0].is_string());
}

#[test]
fn robots_are_refused_and_others_are_not() {
    let forbidden = Some((403, "Forbidden".to_owned()));
    for robot in [
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "Scrapy/1.0 (+http://scrapy.org)",
        "bingbot/2.0",
        "facebookexternalhit/1.1",
        "Twitterbot/1.0",
        "SomeNewCrawler/3.1",
    ] {
        assert_eq!(verdict(json!({}), &[robot]), forbidden, "{robot}");
    }
    for other in [
        "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36",
        "curl/8",
        "python-requests/2",
        "java/1.8",
        "Slackbot",
        "evil one",
        "EVIL",
        "golden/1",
        "",
    ] {
        assert_eq!(verdict(json!({}), &[other]), None, "{other}");
    }
    assert_eq!(verdict(json!({}), &[]), None);
}

#[test]
fn what_is_allowed_passes_whatever_else_matches() {
    let lists = json!({ "allow": ["^curl"], "deny": ["curl/7", "evil.*"] });
    assert_eq!(verdict(lists.clone(), &["curl/7.88"]), None);
    assert_eq!(verdict(lists.clone(), &["evil one"]).unwrap().0, 403);
    assert_eq!(verdict(lists, &["EVIL"]), None);
    assert_eq!(verdict(json!({ "allow": ["^Googlebot"] }), &["Googlebot/2.1"]), None);
}

#[test]
fn one_name_is_enough() {
    let expected = Some((400, "Only one User-Agent header allowed".to_owned()));
    assert_eq!(verdict(json!({}), &["curl/8", "goodbot"]), expected);
}
