//! Answers with a status and nothing else to say.

use gateway_proxy::pdk::Answer;

/// What the gateway itself says with this status, or a page for statuses that have one, else no body.
pub(crate) fn answer(status: u16) -> Answer {
    if let Some(message) = own_message(status) {
        return Answer::error(status, message);
    }
    let Some(reason) = reason(status) else {
        return Answer::empty(status);
    };
    let title = format!("{status} {reason}");
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         </body>\r\n</html>\r\n"
    );
    Answer::bytes(status, "text/html; charset=UTF-8", page)
}

fn own_message(status: u16) -> Option<&'static str> {
    Some(match status {
        400 => "Bad request",
        408 => "Request timeout",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        417 => "Expectation failed",
        504 => "The upstream server is timing out",
        _ => return None,
    })
}

fn reason(status: u16) -> Option<&'static str> {
    Some(match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        402 => "Payment Required",
        403 => "Forbidden",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => return None,
    })
}
