//! HTTP routes.

use std::sync::Arc;
use std::time::Duration;

use mesh_model::Tags;
use mesh_model::policy::{HttpMatch, HttpModify, PathRewrite, StringMatch};
use proto::envoy::config::core::v3::HeaderValueOption;
use proto::envoy::config::route::v3::route::Action;
use proto::envoy::config::route::v3::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use proto::envoy::config::route::v3::route_match::PathSpecifier;
use proto::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, Route, RouteAction, RouteMatch, WeightedCluster, weighted_cluster,
};
use proto::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;

use crate::wire;

/// Header that tells a server the tags of its client.
pub(crate) const TAGS_HEADER: &str = "x-kuma-tags";

/// Requests that match, changed, to clusters by weight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    pub(crate) matches: HttpMatch,
    pub(crate) modify: HttpModify,
    /// Clusters with weights, none of them 0.
    pub(crate) split: Vec<(Arc<str>, u32)>,
}

/// All requests to one cluster.
pub(crate) fn to_cluster(cluster: &str, timeout: Duration) -> Route {
    let rule = Rule { matches: HttpMatch::default(), modify: HttpModify::default(), split: vec![(cluster.into(), 1)] };
    rule.route(timeout, false)
}

impl Rule {
    /// The route. With `auto_host` the host becomes that of the endpoint, unless the rule sets another.
    pub(crate) fn route(&self, timeout: Duration, auto_host: bool) -> Route {
        let modify = &self.modify;
        Route {
            r#match: Some(route_match(&self.matches)),
            action: Some(self.action(timeout, auto_host)),
            request_headers_to_add: headers(&modify.request_add),
            request_headers_to_remove: modify.request_remove.clone(),
            response_headers_to_add: headers(&modify.response_add),
            response_headers_to_remove: modify.response_remove.clone(),
            ..Route::default()
        }
    }

    fn action(&self, timeout: Duration, auto_host: bool) -> Action {
        let Some(clusters) = cluster_specifier(&self.split) else {
            return Action::DirectResponse(DirectResponseAction { status: 503, ..DirectResponseAction::default() });
        };
        let mut action = RouteAction {
            cluster_specifier: Some(clusters),
            timeout: Some(wire::duration(timeout)),
            host_rewrite_specifier: host_rewrite(&self.modify, auto_host),
            ..RouteAction::default()
        };
        match &self.modify.path {
            Some(PathRewrite::Prefix(prefix)) => action.prefix_rewrite.clone_from(prefix),
            Some(PathRewrite::Regex { pattern, substitution }) => {
                action.regex_rewrite = Some(substitute(pattern, substitution));
            }
            None => {}
        }
        Action::Route(action)
    }
}

fn host_rewrite(modify: &HttpModify, auto_host: bool) -> Option<HostRewriteSpecifier> {
    match (&modify.host, &modify.host_from_path) {
        (Some(host), _) => Some(HostRewriteSpecifier::HostRewriteLiteral(host.clone())),
        (None, Some((pattern, substitution))) => {
            Some(HostRewriteSpecifier::HostRewritePathRegex(substitute(pattern, substitution)))
        }
        (None, None) => auto_host.then_some(HostRewriteSpecifier::AutoHostRewrite(true)),
    }
}

fn substitute(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute { pattern: Some(wire::regex(pattern)), substitution: substitution.to_owned() }
}

fn headers(added: &[(String, String, bool)]) -> Vec<HeaderValueOption> {
    added.iter().map(|(name, value, append)| wire::header_option(name, value, *append)).collect()
}

fn route_match(matches: &HttpMatch) -> RouteMatch {
    let path = match &matches.path {
        None => PathSpecifier::Prefix("/".to_owned()),
        Some(StringMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(StringMatch::Prefix(path)) => PathSpecifier::Prefix(path.clone()),
        Some(StringMatch::Regex(path)) => PathSpecifier::SafeRegex(wire::regex(path)),
    };
    let method = matches.method.iter().map(|method| wire::header_matcher(":method", method));
    let headers = matches.headers.iter().map(|header| wire::header_matcher(&header.name, &header.value));
    RouteMatch { path_specifier: Some(path), headers: method.chain(headers).collect(), ..RouteMatch::default() }
}

fn cluster_specifier(split: &[(Arc<str>, u32)]) -> Option<ClusterSpecifier> {
    match split {
        [] => None,
        [(cluster, _)] => Some(ClusterSpecifier::Cluster(cluster.to_string())),
        split => {
            let weight = |(cluster, weight): &(Arc<str>, u32)| weighted_cluster::ClusterWeight {
                name: cluster.to_string(),
                weight: Some(*weight),
                ..Default::default()
            };
            let clusters = split.iter().map(weight).collect();
            Some(ClusterSpecifier::WeightedClusters(WeightedCluster { clusters, ..WeightedCluster::default() }))
        }
    }
}

/// A condition on the header of tags: that the client is one of these sources.
pub(crate) fn from_sources(sources: &[Tags]) -> HeaderMatcher {
    let alternatives: Vec<_> = sources.iter().map(source_expression).collect();
    let expression = match alternatives.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    };
    wire::header_matcher(TAGS_HEADER, &StringMatch::Regex(expression))
}

fn source_expression(tags: &Tags) -> String {
    let pairs: String = tags
        .iter()
        .map(|(key, value)| match value.as_str() {
            "*" => format!("&{}=[^&]+&.*", quoted(key)),
            value => format!("&{}=([^&]*,)?{}(,[^&]*)?&.*", quoted(key), quoted(value)),
        })
        .collect();
    format!(".*{pairs}")
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}
