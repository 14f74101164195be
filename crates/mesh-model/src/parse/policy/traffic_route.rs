//! `TrafficRoute`: where traffic goes.

use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules};
use crate::policy::{
    HashFunction, HeaderMatch, HttpMatch, HttpModify, HttpRoute, LoadBalancer, PathRewrite, Split, StringMatch,
    TrafficRoute,
};

/// `conf`: an object, or the oldest dialect's list, which is the split itself.
pub(super) fn read(policy: &Object<'_, '_>) -> TrafficRoute {
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("cannot be empty");
    }
    if conf.is_list() {
        return TrafficRoute { split: split(&conf), ..TrafficRoute::default() };
    }
    conf.section(|conf| TrafficRoute {
        split: split_or_destination(conf),
        http: conf.field("http").list(|route| route.object(http_route)),
        load_balancer: conf.field("loadBalancer").object(load_balancer).flatten(),
    })
}

fn split_or_destination(conf: &Object<'_, '_>) -> Vec<Split> {
    let (list, destination) = (conf.field("split"), conf.field("destination"));
    match (list.is_present(), destination.is_present()) {
        (true, true) => {
            conf.here().problem("\"split\" cannot be defined at the same time as \"destination\"");
            Vec::new()
        }
        (false, false) => {
            conf.here().problem("requires either \"destination\" or \"split\"");
            Vec::new()
        }
        (true, false) => split(&list),
        (false, true) => {
            vec![Split { weight: 1, destination: tags::tags(&destination, Rules::SERVICE_AND_MORE) }]
        }
    }
}

fn split(list: &Cursor<'_, '_>) -> Vec<Split> {
    let split = list.list(|entry| {
        entry.object(|entry| {
            let field = entry.field("weight");
            if !field.is_present() {
                field.problem("needs to be defined");
            }
            let destination = tags::tags(&entry.field("destination"), Rules::SERVICE_AND_MORE);
            Split { weight: field.u32().unwrap_or_default(), destination }
        })
    });
    if list.raw().and_then(serde_json::Value::as_array).is_some_and(Vec::is_empty) {
        list.problem("must have at least one element");
    } else if list.is_list() {
        let total: u64 = split.iter().map(|entry| u64::from(entry.weight)).sum();
        if total == 0 {
            list.problem("there must be at least one split entry with weight above 0");
        }
        if total > u64::from(u32::MAX) {
            list.problem(format!("the weights must not add up to more than {}", u32::MAX));
        }
    }
    split
}

fn http_route(route: &Object<'_, '_>) -> HttpRoute {
    let matches = http_match(&route.field("match"));
    let modify = route.field("modify").section(|modify| http_modify(modify, &matches));
    HttpRoute { modify, matches, split: split_or_destination(route) }
}

fn http_match(field: &Cursor<'_, '_>) -> HttpMatch {
    let result = field.section(|fields| HttpMatch {
        method: string_match(&fields.field("method")),
        path: string_match(&fields.field("path")),
        headers: header_matches(&fields.field("headers")),
    });
    let mentions = |name: &str| field.raw().and_then(|value| value.get(name)).is_some_and(|value| !value.is_null());
    if !["method", "path", "headers"].into_iter().any(mentions) {
        field.problem("must be present and contain at least one of the elements: \"method\", \"path\" or \"headers\"");
    }
    result
}

fn header_matches(field: &Cursor<'_, '_>) -> Vec<HeaderMatch> {
    if field.raw().and_then(serde_json::Value::as_object).is_some_and(serde_json::Map::is_empty) {
        field.problem("must contain at least one element");
    }
    let mut headers = field.entries(|name, value| {
        if name.is_empty() {
            value.problem("cannot be empty");
        }
        if !value.is_present() {
            value.problem(MATCHER_MISSING);
        }
        string_match(value).map(|value| HeaderMatch { name: name.to_ascii_lowercase(), value })
    });
    headers.sort_by(|a, b| a.name.cmp(&b.name));
    headers
}

const MATCHER_MISSING: &str = "cannot be empty. Available options: \"exact\", \"split\" or \"regex\"";

fn string_match(field: &Cursor<'_, '_>) -> Option<StringMatch> {
    field.object(|matcher| {
        let prefix = matcher.field("prefix");
        if prefix.string() == Some("") {
            prefix.problem("cannot be empty");
        }
        let mut found = Vec::new();
        found.extend(prefix.string().map(|text| StringMatch::Prefix(text.to_owned())));
        found.extend(matcher.field("exact").string().map(|text| StringMatch::Exact(text.to_owned())));
        found.extend(matcher.field("regex").regex().map(|text| StringMatch::Regex(text.to_owned())));
        match found.len() {
            0 => field.problem(MATCHER_MISSING),
            1 => {}
            _ => field.problem("must have only one type defined: prefix, exact, regex"),
        }
        found.pop()
    })?
}

fn http_modify(modify: &Object<'_, '_>, matches: &HttpMatch) -> HttpModify {
    let mut result = HttpModify { path: path_rewrite(&modify.field("path"), matches), ..HttpModify::default() };
    host(&modify.field("host"), &mut result);
    (result.request_add, result.request_remove) = modify.field("requestHeaders").section(headers);
    (result.response_add, result.response_remove) = modify.field("responseHeaders").section(headers);
    result
}

fn path_rewrite(field: &Cursor<'_, '_>, matches: &HttpMatch) -> Option<PathRewrite> {
    field.object(|path| {
        let prefix = path.field("rewritePrefix");
        let regex = path.field("regex");
        if let Some(text) = prefix.string() {
            if text.is_empty() {
                prefix.problem("cannot be empty");
            } else if !matches!(matches.path, Some(StringMatch::Prefix(_))) {
                prefix.problem("can only be set when .http.match.path.prefix is not empty");
            }
            if regex.is_present() {
                field.problem("must have only one type defined: rewritePrefix, regex");
            }
            return Some(PathRewrite::Prefix(text.to_owned()));
        }
        if !prefix.is_present() && !regex.is_present() {
            field.problem("either \"rewritePrefix\" or \"regex\" has to be set");
        }
        let (pattern, substitution) = regex_replace(&regex)?;
        Some(PathRewrite::Regex { pattern, substitution })
    })?
}

fn host(field: &Cursor<'_, '_>, result: &mut HttpModify) {
    field.object(|host| {
        let value = host.field("value");
        let from_path = host.field("fromPath");
        match (value.is_present(), from_path.is_present()) {
            (false, false) => field.problem("either \"value\" or \"fromPath\" has to be set"),
            (true, true) => field.problem("must have only one type defined: value, fromPath"),
            _ => {}
        }
        if value.is_present() {
            result.host = Some(value.required());
        }
        result.host_from_path = regex_replace(&from_path);
    });
}

fn regex_replace(field: &Cursor<'_, '_>) -> Option<(String, String)> {
    field.object(|replace| {
        let pattern = replace.field("pattern");
        if !pattern.is_present() {
            pattern.problem("cannot be empty");
        }
        (pattern.regex().unwrap_or_default().to_owned(), replace.field("substitution").required())
    })
}

type Headers = (Vec<(String, String, bool)>, Vec<String>);

fn headers(headers: &Object<'_, '_>) -> Headers {
    let add = headers.field("add").list(|item| {
        item.object(|item| {
            (header_name(&item.field("name")), item.field("value").required(), item.field("append").flag())
        })
    });
    let remove = headers.field("remove").list(|item| item.object(|item| header_name(&item.field("name"))));
    (add, remove)
}

fn header_name(field: &Cursor<'_, '_>) -> String {
    let name = field.required();
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        field.problem("host header and HTTP/2 pseudo-headers are not allowed to be modified");
    }
    name
}

fn load_balancer(balancer: &Object<'_, '_>) -> Option<LoadBalancer> {
    let mut given = Vec::new();
    given.extend(balancer.field("roundRobin").object(|_| LoadBalancer::RoundRobin));
    given.extend(balancer.field("leastRequest").object(least_request));
    given.extend(balancer.field("ringHash").object(ring_hash));
    given.extend(balancer.field("random").object(|_| LoadBalancer::Random));
    given.extend(balancer.field("maglev").object(|_| LoadBalancer::Maglev));
    if given.len() > 1 {
        let message = "must have only one type defined: roundRobin, leastRequest, ringHash, random, maglev";
        balancer.here().problem(message);
    }
    given.pop()
}

fn least_request(conf: &Object<'_, '_>) -> LoadBalancer {
    let field = conf.field("choiceCount");
    let choices = field.u32().unwrap_or_default();
    if choices == 1 {
        field.problem("value must be greater than or equal to 2");
    }
    LoadBalancer::LeastRequest { choices: if choices == 0 { DEFAULT_CHOICES } else { choices } }
}

/// Envoy's own number of endpoints to look at.
const DEFAULT_CHOICES: u32 = 2;
/// Envoy's own ring sizes.
const DEFAULT_MIN_RING: u64 = 1024;
const MAX_RING: u64 = 8 * 1024 * 1024;

fn ring_hash(conf: &Object<'_, '_>) -> LoadBalancer {
    let field = conf.field("hashFunction");
    let function = match field.string() {
        Some("XX_HASH") => HashFunction::XxHash,
        Some("MURMUR_HASH_2") => HashFunction::MurmurHash2,
        _ => {
            field.problem("must have a valid hash function");
            HashFunction::default()
        }
    };
    let size = |name, default| {
        let field = conf.field(name);
        let size = field.u64().filter(|size| *size > 0).unwrap_or(default);
        if size > MAX_RING {
            field.problem(format!("must be in inclusive range [1, {MAX_RING}]"));
        }
        size
    };
    let (min_size, max_size) = (size("minRingSize", DEFAULT_MIN_RING), size("maxRingSize", MAX_RING));
    if min_size > max_size {
        conf.here().problem_at("maxRingSize", "must not be less than minRingSize");
    }
    LoadBalancer::RingHash { function, min_size, max_size }
}
