//! What a path means. Driven by the table of kinds, so that a new kind has its endpoints at once.

use mesh_model::{KINDS, Kind, Scope};

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`
    Index,
    /// `/config`
    Config,
    /// `/versions`
    Versions,
    /// `/policies`
    Policies,
    /// `/_resources`
    ResourceTypes,
    /// `/who-am-i`
    WhoAmI,
    /// `/catalog`
    Catalog,
    /// `/status/zones`
    ZoneStatus,
    /// `/global-insights`: how many resources of each global kind.
    GlobalInsights,
    /// `/global-insight`: the numbers of a dashboard.
    GlobalInsight,
    /// All resources of a kind, or those of one mesh.
    List { kind: &'static Kind, mesh: Option<String> },
    /// One resource; `mesh` is empty for kinds of global scope.
    Item { kind: &'static Kind, mesh: String, name: String },
    /// Resources of a kind with their run-time state.
    Overviews { kind: &'static Kind, mesh: Option<String> },
    /// One resource with its run-time state.
    Overview { kind: &'static Kind, mesh: String, name: String },
    /// `/meshes/{mesh}/dataplanes/{name}/policies`: policies that apply to a proxy.
    MatchedPolicies { mesh: String, name: String },
    /// `/meshes/{mesh}/dataplanes/{name}/rules`: the same for policies with target references.
    Rules { mesh: String, name: String },
    /// `/meshes/{mesh}/dataplanes/{name}/xds`, `/stats`, `/clusters`: what a proxy's Envoy says.
    ProxyView { mesh: String, name: String, view: View },
    /// `/meshes/{mesh}/{policies}/{name}/dataplanes`: proxies a policy applies to.
    MatchedDataplanes { kind: &'static Kind, mesh: String, name: String },
    /// `/tokens/...`: issues a token.
    Token(TokenKind),
}

/// What of a proxy's Envoy is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Xds,
    Stats,
    Clusters,
}

/// Whom a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Dataplane,
    ZoneIngress,
    Zone,
    User,
}

impl Route {
    /// The meaning of a path, which starts below the base path of the API; `None` if it has none.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            segments.push(decode(segment)?);
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        fixed(&segments).or_else(|| tabled(&segments))
    }
}

fn fixed(segments: &[&str]) -> Option<Route> {
    Some(match segments {
        [] => Route::Index,
        ["config"] => Route::Config,
        ["versions"] => Route::Versions,
        ["policies"] => Route::Policies,
        ["_resources"] => Route::ResourceTypes,
        ["who-am-i"] => Route::WhoAmI,
        ["catalog"] => Route::Catalog,
        ["status", "zones"] => Route::ZoneStatus,
        ["global-insights"] => Route::GlobalInsights,
        ["global-insight"] => Route::GlobalInsight,
        ["tokens"] | ["tokens", "dataplane"] => Route::Token(TokenKind::Dataplane),
        ["tokens", "zone-ingress"] => Route::Token(TokenKind::ZoneIngress),
        ["tokens", "zone"] => Route::Token(TokenKind::Zone),
        ["tokens", "user"] => Route::Token(TokenKind::User),
        ["meshes", mesh, "dataplanes", name, "policies"] => Route::MatchedPolicies { mesh: own(mesh), name: own(name) },
        ["meshes", mesh, "dataplanes" | "dataplane", name, what @ ("xds" | "stats" | "clusters")] => {
            let view = match *what {
                "xds" => View::Xds,
                "stats" => View::Stats,
                _ => View::Clusters,
            };
            Route::ProxyView { mesh: own(mesh), name: own(name), view }
        }
        ["meshes", mesh, "dataplanes", name, "rules"] => Route::Rules { mesh: own(mesh), name: own(name) },
        _ => return None,
    })
}

fn tabled(segments: &[&str]) -> Option<Route> {
    match segments {
        ["meshes", mesh, path, rest @ ..] if *path != "_overview" => in_mesh(mesh, path, rest),
        [path, rest @ ..] => across_meshes(path, rest),
        [] => None,
    }
}

fn in_mesh(mesh: &str, path: &str, rest: &[&str]) -> Option<Route> {
    let mesh = own(mesh);
    if let Some(kind) = overview_alias(path, Scope::Mesh) {
        return Some(match rest {
            [] => Route::Overviews { kind, mesh: Some(mesh) },
            [name] => Route::Overview { kind, mesh, name: own(name) },
            _ => return None,
        });
    }
    let kind = Kind::by_path(path).filter(|kind| kind.scope == Scope::Mesh)?;
    Some(match rest {
        [] => Route::List { kind, mesh: Some(mesh) },
        ["_overview"] if has_overview(kind) => Route::Overviews { kind, mesh: Some(mesh) },
        [name] => Route::Item { kind, mesh, name: own(name) },
        [name, "_overview"] if has_overview(kind) => Route::Overview { kind, mesh, name: own(name) },
        [name, "dataplanes"] if kind.policy => Route::MatchedDataplanes { kind, mesh, name: own(name) },
        _ => return None,
    })
}

fn across_meshes(path: &str, rest: &[&str]) -> Option<Route> {
    if let Some(kind) = overview_alias(path, Scope::Global) {
        return Some(match rest {
            [] => Route::Overviews { kind, mesh: None },
            [name] => Route::Overview { kind, mesh: String::new(), name: own(name) },
            _ => return None,
        });
    }
    if rest.is_empty()
        && let Some(kind) = overview_alias(path, Scope::Mesh)
    {
        return Some(Route::Overviews { kind, mesh: None });
    }
    let kind = Kind::by_path(path)?;
    Some(match (rest, kind.scope) {
        ([], _) => Route::List { kind, mesh: None },
        (["_overview"], _) if has_overview(kind) => Route::Overviews { kind, mesh: None },
        ([name], Scope::Global) => Route::Item { kind, mesh: String::new(), name: own(name) },
        ([name, "_overview"], Scope::Global) if has_overview(kind) => {
            Route::Overview { kind, mesh: String::new(), name: own(name) }
        }
        _ => return None,
    })
}

/// Meshes have an overview although their insight is computed when asked for.
fn has_overview(kind: &Kind) -> bool {
    kind.insight.is_some() || kind.name == "Mesh"
}

/// Older paths of overviews: `dataplanes+insights` (in prose also `dataplane+insights`), `zoneegressoverviews`.
fn overview_alias(path: &str, scope: Scope) -> Option<&'static Kind> {
    let stem = path.strip_suffix("+insights").or_else(|| path.strip_suffix("overviews"))?;
    KINDS.iter().find(|kind| {
        let is_stem = |path: &str| path == stem || path.trim_end_matches('s') == stem || kind.singular == stem;
        kind.scope == scope
            && has_overview(kind)
            && (is_stem(kind.path) || kind.aliases.iter().any(|path| is_stem(path)))
    })
}

fn own(text: &str) -> String {
    text.to_owned()
}

/// Undoes percent encoding; `None` if it is broken or hides a slash or control character.
fn decode(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(|c: char| c == '/' || c.is_control()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: &str, mesh: Option<&str>) -> Option<Route> {
        Some(Route::List { kind: Kind::by_name(kind)?, mesh: mesh.map(own) })
    }

    #[test]
    fn every_kind_has_its_paths() {
        for kind in KINDS {
            for path in std::iter::once(&kind.path).chain(kind.aliases) {
                let (prefix, mesh) = match kind.scope {
                    Scope::Mesh => ("/meshes/m", own("m")),
                    Scope::Global => ("", String::new()),
                };
                let item = Route::Item { kind, mesh: mesh.clone(), name: own("n") };
                assert_eq!(Route::parse(&format!("{prefix}/{path}/n")), Some(item), "{path}");
                let all = Route::List { kind, mesh: None };
                assert_eq!(Route::parse(&format!("/{path}")), Some(all), "{path}");
                if kind.scope == Scope::Mesh {
                    let some = Route::List { kind, mesh: Some(mesh) };
                    assert_eq!(Route::parse(&format!("{prefix}/{path}/")), Some(some), "{path}");
                }
            }
        }
    }

    #[test]
    fn overviews_have_all_their_documented_paths() {
        let overviews =
            |kind, mesh: Option<&str>| Some(Route::Overviews { kind: Kind::by_name(kind)?, mesh: mesh.map(own) });
        for path in ["dataplanes+insights", "dataplane+insights", "dataplanes/_overview"] {
            assert_eq!(Route::parse(&format!("/meshes/m/{path}")), overviews("Dataplane", Some("m")), "{path}");
        }
        for (path, kind) in [
            ("/dataplanes+insights", "Dataplane"),
            ("/zones+insights", "Zone"),
            ("/zoneingresses+insights", "ZoneIngress"),
            ("/zoneegressoverviews", "ZoneEgress"),
            ("/zoneegresses/_overview", "ZoneEgress"),
            ("/meshes/_overview", "Mesh"),
        ] {
            assert_eq!(Route::parse(path), overviews(kind, None), "{path}");
        }
    }

    #[test]
    fn names_may_be_percent_encoded_but_hide_nothing() {
        let item =
            |name: &str| Some(Route::Item { kind: Kind::by_name("Mesh")?, mesh: String::new(), name: own(name) });
        assert_eq!(Route::parse("/meshes/a%2Db"), item("a-b"));
        for path in ["/meshes/a%2Fb", "/meshes/a%0", "/meshes/%zz", "/meshes/%ff", "/meshes/a%00"] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        assert_eq!(Route::parse("/meshes/m/meshes"), None);
        assert_eq!(Route::parse("/meshes/m/secrets/a/b/c"), None);
        assert_eq!(Route::parse("/secrets"), list("Secret", None));
        assert_eq!(Route::parse("/nothing"), None);
    }
}
