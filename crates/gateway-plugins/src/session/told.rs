//! What clients and upstreams are told of a session.

use gateway_proxy::pdk::Headers;

use super::Lifetime;
use super::seal::Session;

/// What can be told.
pub(super) const NAMES: [&str; 7] =
    ["id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout"];

/// Sets the field of each name.
pub(super) fn tell(
    names: &[String],
    session: &Session,
    audience: &str,
    lifetime: &Lifetime,
    now: i64,
    headers: &mut Headers,
) {
    for name in names {
        let (field, value) = match name.as_str() {
            "id" => ("Session-Id", session.id.clone()),
            "audience" => ("Session-Audience", audience.to_owned()),
            "subject" => ("Session-Subject", session.consumer.clone()),
            "timeout" => ("Session-Timeout", lifetime.left(session, now).to_string()),
            "idling-timeout" => {
                ("Session-Idling-Timeout", Lifetime::rest(lifetime.idling, session.touched, now).to_string())
            }
            "rolling-timeout" => {
                ("Session-Rolling-Timeout", Lifetime::rest(lifetime.rolling, session.rolled, now).to_string())
            }
            "absolute-timeout" => {
                ("Session-Absolute-Timeout", Lifetime::rest(lifetime.absolute, session.created, now).to_string())
            }
            _ => continue,
        };
        headers.set(field, value);
    }
}
