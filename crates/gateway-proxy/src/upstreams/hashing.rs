//! What of a request decides which target it goes to.

use gateway_model::typed::Upstream;

use crate::pdk::Context;

/// What is hashed, and what instead if the request has none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashing {
    primary: Input,
    fallback: Input,
    cookie_path: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    None,
    Consumer,
    Ip,
    Header(Box<str>),
    Cookie(Box<str>),
    Path,
    QueryArg(Box<str>),
    UriCapture(Box<str>),
}

impl Hashing {
    /// What the document says; `None` when nothing is hashed.
    pub(crate) fn of(document: &Upstream) -> Option<Self> {
        let text = |value: &Option<std::sync::Arc<str>>| value.as_deref().unwrap_or_default().into();
        let input =
            |what: &Option<_>, header: &Option<_>, query: &Option<_>, capture: &Option<_>| match Option::as_deref(what)
                .unwrap_or("none")
            {
                "consumer" => Input::Consumer,
                "ip" => Input::Ip,
                "header" => Input::Header(text(header)),
                "cookie" => Input::Cookie(text(&document.hash_on_cookie)),
                "path" => Input::Path,
                "query_arg" => Input::QueryArg(text(query)),
                "uri_capture" => Input::UriCapture(text(capture)),
                _ => Input::None,
            };
        let primary = input(
            &document.hash_on,
            &document.hash_on_header,
            &document.hash_on_query_arg,
            &document.hash_on_uri_capture,
        );
        let fallback = input(
            &document.hash_fallback,
            &document.hash_fallback_header,
            &document.hash_fallback_query_arg,
            &document.hash_fallback_uri_capture,
        );
        let cookie_path = document.hash_on_cookie_path.as_deref().unwrap_or("/").into();
        (primary != Input::None).then_some(Self { primary, fallback, cookie_path })
    }

    /// The hash of this request. A client without the cookie gets one. Without any input all requests have the same
    /// hash.
    pub(crate) fn hash(&self, context: &mut Context, new_cookie: impl FnOnce() -> String) -> u32 {
        for input in [&self.primary, &self.fallback] {
            if let Some(value) = value(input, context) {
                return engine::balance::hash(&value);
            }
            if let Input::Cookie(name) = input {
                let cookie = new_cookie();
                // The attribute's name is what clients of the reference see.
                let set = format!("{name}={cookie}; Path={}; Same-Site=Lax; HttpOnly", self.cookie_path);
                context.response_headers.append("Set-Cookie", set);
                return engine::balance::hash(cookie.as_bytes());
            }
        }
        engine::balance::hash(b"")
    }
}

fn value(input: &Input, context: &Context) -> Option<Vec<u8>> {
    match input {
        Input::None => None,
        Input::Consumer => {
            let consumer = context.consumer.as_ref().map(|consumer| &consumer.id);
            let id = consumer.or(context.credential.as_ref().map(|credential| &credential.id))?;
            Some(id.as_bytes().to_vec())
        }
        Input::Ip => Some(context.client.ip.to_string().into_bytes()),
        Input::Header(name) => {
            let lines: Vec<&[u8]> = context.request.headers.get_all(name).collect();
            (!lines.is_empty()).then(|| lines.join(b", ".as_slice()))
        }
        Input::Cookie(name) => context.cookie(name).map(|value| value.as_bytes().to_vec()),
        Input::Path => Some(gateway_router::path::normalize(context.request.path()).into_owned()),
        Input::QueryArg(name) => {
            let mut values: Vec<_> = form_urlencoded::parse(context.request.query()?)
                .filter(|(key, _)| *key == **name)
                .map(|(_, value)| value.into_owned())
                .collect();
            values.sort_unstable();
            (!values.is_empty()).then(|| values.join(",").into_bytes())
        }
        Input::UriCapture(name) => {
            context.captures.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_bytes().to_vec())
        }
    }
}
