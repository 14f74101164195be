//! What a proxy's Envoy says of itself: its configuration, statistics and clusters.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, Uri, header};
use mesh_model::{Dataplane, Kind, Spec};
use mesh_xds::{AdminAccess, ProxyMetadata};
use serde_json::Value;

use super::auth::Caller;
use super::error::ApiError;
use super::route::View;
use super::{Api, crud, insights};
use crate::insights::admin;
use crate::resources::{ResourceError, from_record, spec_value};

const FAILED: &str = "Could not retrieve the proxy's own view";

/// What stands for a value that nobody is to see.
const REDACTED: &str = "[redacted]";

pub(super) async fn get(
    api: &Api,
    caller: &Caller,
    mesh: &str,
    name: &str,
    view: View,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let access = &api.config().access;
    match view {
        View::Xds => caller.require(&access.view_config_dump, "view the configuration of proxies")?,
        View::Stats => caller.require(&access.view_stats, "view the statistics of proxies")?,
        View::Clusters => caller.require(&access.view_clusters, "view the clusters of proxies")?,
    }
    let query = Query::parse(parts)?;
    let kind = Kind::by_name("Dataplane").expect("the table has proxies");
    let record = crud::read(api, crud::Address { kind, mesh, name }).await?;
    let Ok(Spec::Dataplane(dataplane)) = from_record(&record).map(|resource| resource.spec) else {
        return Err(ApiError::not_found(FAILED));
    };
    let metadata = metadata(api, mesh, name).await?;
    let body = ask(api, &dataplane, &metadata, query.uri(view)).await?;
    let (content_type, body) = match view {
        View::Xds => ("application/json", redacted(&body)?),
        View::Stats | View::Clusters if query.json => ("application/json", body.into()),
        View::Stats | View::Clusters => ("text/plain", body.into()),
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

/// Where the admin interface of a connected proxy is, whichever control plane it is connected to.
async fn metadata(api: &Api, mesh: &str, name: &str) -> Result<ProxyMetadata, ApiError> {
    let stored = match api.resources().get(insights::kind("DataplaneInsight"), mesh, name).await {
        Ok(record) => Some(spec_value(&record)),
        Err(ResourceError::NotFound) => None,
        Err(error) => return Err(ApiError::resource(FAILED, error)),
    };
    let insight = api.live().dataplane_insight(mesh, name, stored).unwrap_or_default();
    if admin::is_connected(&insight) {
        Ok(admin::read(&insight))
    } else {
        Err(unavailable("The proxy is not connected"))
    }
}

async fn ask(api: &Api, dataplane: &Dataplane, metadata: &ProxyMetadata, uri: Uri) -> Result<bytes::Bytes, ApiError> {
    let access = metadata.admin(&dataplane.address);
    if access == AdminAccess::None {
        let detail = "The admin interface of the proxy's Envoy cannot be reached: give it a port with \
                      networking.admin.port of the Dataplane or kuma-dp's --admin-port";
        return Err(unavailable(detail));
    }
    let answer = api.admin().get(&dataplane.address, metadata.admin_port, access, uri).await;
    answer.map_err(|error| {
        let reason = base::report(&error);
        tracing::warn!(
            address = dataplane.address,
            port = metadata.admin_port,
            reason,
            "A proxy's Envoy does not answer"
        );
        unavailable(&format!("The proxy's Envoy does not answer: {reason}"))
    })
}

fn unavailable(detail: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, FAILED, detail)
}

/// What of the query is passed on.
#[derive(Debug)]
struct Query {
    include_eds: bool,
    json: bool,
    used_only: bool,
}

impl Query {
    fn parse(parts: &Parts) -> Result<Self, ApiError> {
        let mut query = Self { include_eds: false, json: false, used_only: true };
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::bad_request("the query string cannot be read"))?;
        for (key, value) in &pairs.0 {
            let flag = || match value.as_str() {
                "" | "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(ApiError::field(FAILED, "Invalid query parameter", key, "must be true or false")),
            };
            match key.as_str() {
                "include_eds" => query.include_eds = flag()?,
                "usedonly" => query.used_only = flag()?,
                "format" => match value.as_str() {
                    "json" => query.json = true,
                    "text" | "" => query.json = false,
                    _ => return Err(ApiError::field(FAILED, "Invalid query parameter", key, "must be json or text")),
                },
                _ => {}
            }
        }
        Ok(query)
    }

    fn uri(&self, view: View) -> Uri {
        let (path, flags) = match view {
            View::Xds => ("/config_dump", [(self.include_eds, "include_eds"), (false, "")]),
            View::Stats => ("/stats", [(self.used_only, "usedonly"), (self.json, "format=json")]),
            View::Clusters => ("/clusters", [(self.json, "format=json"), (false, "")]),
        };
        let flags: Vec<&str> = flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).collect();
        let query = if flags.is_empty() { String::new() } else { format!("?{}", flags.join("&")) };
        format!("{path}{query}").parse().expect("it is made of constants")
    }
}

/// The configuration without the token that the proxy shows to the control plane. Envoy itself hides private keys.
fn redacted(dump: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut dump: Value =
        serde_json::from_slice(dump).map_err(|_| unavailable("The proxy's Envoy answered something else"))?;
    redact(&mut dump);
    Ok(serde_json::to_vec(&dump).expect("it was JSON before"))
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "initial_metadata" {
                    let entries = value.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut);
                    entries.for_each(|entry| drop(entry.insert("value".to_owned(), REDACTED.into())));
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_proxys_token_is_not_shown() {
        let service = json!({ "initial_metadata": [{ "key": "authorization", "value": "secret-token" }] });
        let dump = json!({ "configs": [{ "bootstrap": { "ads_config": { "grpc_services": [service] }, "node": { "id": "n" } } }] });
        let shown = String::from_utf8(redacted(dump.to_string().as_bytes()).unwrap()).unwrap();
        assert!(
            !shown.contains("secret-token") && shown.contains(REDACTED) && shown.contains("\"id\":\"n\""),
            "{shown}"
        );
        assert!(redacted(b"no JSON").is_err());
    }

    #[test]
    fn only_known_words_of_the_query_reach_the_proxy() {
        let uri = |query: &str, view| {
            let (parts, ()) = http::Request::get(format!("/x?{query}")).body(()).unwrap().into_parts();
            Query::parse(&parts).map(|query| query.uri(view).to_string())
        };
        assert_eq!(uri("", View::Xds).unwrap(), "/config_dump");
        assert_eq!(uri("include_eds=true&mask=a&resource=b", View::Xds).unwrap(), "/config_dump?include_eds");
        assert_eq!(uri("", View::Stats).unwrap(), "/stats?usedonly");
        assert_eq!(uri("usedonly=false&format=json", View::Stats).unwrap(), "/stats?format=json");
        assert_eq!(uri("format=json", View::Clusters).unwrap(), "/clusters?format=json");
        for bad in ["include_eds=yes", "format=xml"] {
            assert!(uri(bad, View::Stats).is_err(), "{bad}");
        }
    }
}
