//! Settings as `/` of the Admin API shows them.

use serde_json::{Map, Value, json};

use super::{Conf, KEYS, Kind, Listen, boolean, list};

/// Flags of an address that are there or not.
const FLAGS: [&str; 6] = ["ssl", "http2", "proxy_protocol", "deferred", "bind", "reuseport"];

/// Flags with a value, by the names under which clients find those that are not set.
const VALUED_FLAGS: [&str; 6] =
    ["backlog=%d+", "ipv6only=on", "ipv6only=off", "so_keepalive=on", "so_keepalive=off", "so_keepalive=%w*:%w*:%d*"];

/// The listeners, by the beginning of the settings' names, and the name that says whether one of them speaks TLS.
const LISTENERS: [(&str, Option<&str>); 6] = [
    ("proxy", Some("proxy_ssl_enabled")),
    ("stream", Some("stream_proxy_ssl_enabled")),
    ("admin", Some("admin_ssl_enabled")),
    ("admin_gui", Some("admin_gui_ssl_enabled")),
    ("status", Some("status_ssl_enabled")),
    ("cluster", None),
];

impl Conf {
    /// The effective settings as the Admin API shows them, secrets masked.
    pub fn shown(&self) -> Value {
        let mut out = Map::new();
        for key in KEYS {
            let value = self.values[key.name].trim();
            let shown = match key.kind {
                Kind::Secret if value.is_empty() => continue,
                Kind::Secret => json!("******"),
                Kind::Boolean | Kind::Number if value.is_empty() => continue,
                Kind::Boolean => json!(boolean(value)),
                Kind::Number => value.parse::<f64>().map_or(json!(value), |number| {
                    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
                }),
                Kind::List if value.is_empty() => json!({}),
                Kind::List => json!(list(value)),
                Kind::Text | Kind::Choice(_) if value.is_empty() => continue,
                Kind::Text | Kind::Choice(_) => json!(value),
            };
            out.insert(key.name.to_owned(), shown);
        }
        for (name, ssl) in LISTENERS {
            let setting = self.values.get(format!("{name}_listen").as_str()).map_or("", |value| value.trim());
            let parts: Vec<_> = list(setting).into_iter().filter_map(|text| Listen::parse(text).ok()).collect();
            if let Some(ssl) = ssl {
                out.insert(ssl.to_owned(), json!(parts.iter().any(|listen| listen.ssl)));
            }
            // An empty list is an empty object, as everywhere in here.
            let shown = if parts.is_empty() { json!({}) } else { parts.iter().map(listener).collect() };
            out.insert(format!("{name}_listeners"), shown);
        }
        Value::Object(out)
    }
}

/// An address in parts. Clients ask it for ports and for what is spoken there.
fn listener(listen: &Listen) -> Value {
    let words: Vec<_> = listen.text.split_whitespace().collect();
    let mut out = Map::new();
    out.insert("ip".to_owned(), json!(listen.address.ip()));
    out.insert("port".to_owned(), json!(listen.address.port()));
    let text: Vec<_> = words.iter().copied().filter(|word| *word != "http2").collect();
    out.insert("listener".to_owned(), json!(text.join(" ")));
    for flag in FLAGS {
        out.insert(flag.to_owned(), json!(words.contains(&flag)));
    }
    for flag in VALUED_FLAGS {
        match words.iter().find(|word| fits(word, flag)) {
            Some(word) => out.insert((*word).to_owned(), json!(true)),
            None => out.insert(flag.to_owned(), json!(false)),
        };
    }
    Value::Object(out)
}

fn fits(word: &str, flag: &str) -> bool {
    match flag.split_once("=%") {
        Some((name, pattern)) => word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).is_some_and(|value| {
            value.contains(':') == pattern.contains(':')
                && value.chars().all(|c| c.is_ascii_alphanumeric() || c == ':')
                && !matches!(value, "on" | "off")
        }),
        None => word == flag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(settings: &str) -> Value {
        Conf::load(Some(settings), [], []).unwrap().conf.shown()
    }

    #[test]
    fn listeners_are_shown_in_parts() {
        let shown =
            shown("proxy_listen = 127.0.0.1:80 reuseport backlog=16384, [::1]:443 ssl http2 so_keepalive=30m::10\n");
        let listeners = &shown["proxy_listeners"];
        let plain = json!({
            "ip": "127.0.0.1", "port": 80, "listener": "127.0.0.1:80 reuseport backlog=16384",
            "ssl": false, "http2": false, "proxy_protocol": false, "deferred": false, "bind": false, "reuseport": true,
            "backlog=16384": true, "ipv6only=on": false, "ipv6only=off": false,
            "so_keepalive=on": false, "so_keepalive=off": false, "so_keepalive=%w*:%w*:%d*": false,
        });
        assert_eq!(listeners[0], plain);
        let tls = &listeners[1];
        assert_eq!(
            (&tls["ip"], &tls["port"], &tls["ssl"], &tls["http2"]),
            (&json!("::1"), &json!(443), &json!(true), &json!(true))
        );
        assert_eq!(tls["listener"], "[::1]:443 ssl so_keepalive=30m::10");
        assert_eq!((&tls["so_keepalive=30m::10"], &tls["backlog=%d+"]), (&json!(true), &json!(false)));
        assert_eq!(shown["proxy_ssl_enabled"], true);
    }

    #[test]
    fn listeners_that_are_off_are_empty() {
        let shown = shown("admin_listen = 127.0.0.1:1\nstatus_listen = off\n");
        for name in ["stream_listeners", "status_listeners"] {
            assert_eq!(shown[name], json!({}), "{name}");
        }
        assert_eq!((&shown["admin_ssl_enabled"], &shown["status_ssl_enabled"]), (&json!(false), &json!(false)));
        assert_eq!(shown["admin_listeners"][0]["port"], 1);
    }
}
