//! Heads of HTTP/2, as its crate has them, from and to ours.

use std::io;

use http::header::HeaderMap;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::headers::Headers;
use crate::message::{Method, RequestHead, ResponseHead, Version};

use fields::Form;
pub(super) use fields::{Changing, Length, size};

mod fields;
mod shapes;

/// Reads a request's head; `false` if it lacks what every request must have.
pub(crate) fn read_request(request: &http::request::Parts, head: &mut RequestHead) -> bool {
    head.method = Method::from_token(request.method.as_str());
    head.version = Version::Http2;
    head.target.clear();
    head.headers.clear();
    let uri = &request.uri;
    let Some(path) = uri.path_and_query() else {
        return false;
    };
    head.target.extend_from_slice(path.as_str().as_bytes());
    let host = match uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => match request.headers.get(http::header::HOST) {
            Some(host) => host.as_bytes(),
            None => return false,
        },
    };
    head.headers.append_bytes(b"host", host);
    let mut cookie = None;
    let mut cookies = Vec::new();
    for (name, value) in &request.headers {
        if name == http::header::COOKIE {
            // One field for each cookie in HTTP/2, one for all in HTTP/1 (RFC 9113, 8.2.3).
            match cookie {
                None => cookie = Some(value.as_bytes()),
                Some(first) => {
                    if cookies.is_empty() {
                        cookies.extend_from_slice(first);
                    }
                    cookies.extend_from_slice(b"; ");
                    cookies.extend_from_slice(value.as_bytes());
                }
            }
        } else if name != http::header::HOST {
            head.headers.append_bytes(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if let Some(cookie) = cookie {
        head.headers.append_bytes(b"cookie", if cookies.is_empty() { cookie } else { &cookies });
    }
    true
}

/// Reads a response's head.
pub(super) fn read_response<T>(response: &http::Response<T>, head: &mut ResponseHead) {
    head.status = response.status().as_u16();
    head.reason = None;
    head.version = Version::Http2;
    head.headers.clear();
    append(response.headers(), &mut head.headers);
}

/// Reads fields.
pub(super) fn read_fields(fields: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    append(fields, &mut headers);
    headers
}

fn append(fields: &HeaderMap, headers: &mut Headers) {
    for (name, value) in fields {
        headers.append_bytes(name.as_str().as_bytes(), value.as_bytes());
    }
}

/// A request's head for HTTP/2.
pub(crate) fn write_request(head: &RequestHead, tls: bool, length: Option<u64>) -> io::Result<http::Request<()>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("the {what} cannot be sent"));
    let path = PathAndQuery::try_from(head.target.as_slice()).map_err(|_| invalid("target"))?;
    let host = head.headers.get("host").ok_or_else(|| invalid("host"))?;
    let authority = Authority::try_from(host).map_err(|_| invalid("host"))?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    let uri = http::Uri::from_parts(parts).map_err(|_| invalid("target"))?;
    let mut request = http::Request::new(());
    *request.method_mut() = method(&head.method).ok_or_else(|| invalid("method"))?;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    let form = Form { length: Length::Known(length), changing: Changing::Literal, host: false };
    *request.headers_mut() = shapes::write(&head.headers, &form).0;
    Ok(request)
}

fn method(method: &Method) -> Option<http::Method> {
    Some(match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        other => http::Method::from_bytes(other.as_str().as_bytes()).ok()?,
    })
}

/// A response's head for HTTP/2, and what its fields count for.
pub(super) fn write_response(
    head: &ResponseHead,
    length: Length,
    changing: Changing,
) -> io::Result<(http::Response<()>, u64)> {
    let mut response = http::Response::new(());
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    *response.version_mut() = http::Version::HTTP_2;
    let (fields, size) = shapes::write(&head.headers, &Form { length, changing, host: true });
    *response.headers_mut() = fields;
    Ok((response, size))
}

/// Trailers for HTTP/2.
pub(super) fn write_trailers(trailers: &Headers) -> HeaderMap {
    fields::write(trailers, &Form::AS_LISTED).0
}

#[cfg(test)]
mod tests;
