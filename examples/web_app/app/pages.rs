//! What the browser shows.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

pub(super) fn welcome() -> Response {
    page(StatusCode::OK, r#"<p>You are not logged in.</p><p><a id="login" href="/login">Log in</a></p>"#)
}

pub(super) fn profile(name: &str, email: Option<&str>, csrf: &str) -> Response {
    let (name, csrf) = (escaped(name), escaped(csrf));
    let email = email.map(|email| format!("<p>Your address is {}.</p>", escaped(email))).unwrap_or_default();
    let body = format!(
        r#"<h1>Hello {name}</h1>{email}
<p><a id="messages" href="/messages">Your messages</a></p>
<form method="post" action="/logout"><input type="hidden" name="csrf" value="{csrf}"><button id="logout">Log out</button></form>"#
    );
    page(StatusCode::OK, &body)
}

pub(super) fn messages(status: u16, answer: &str) -> Response {
    let body = format!(r#"<p>The API says {status}:</p><pre>{}</pre><p><a id="home" href="/">Back</a></p>"#, escaped(answer));
    page(StatusCode::OK, &body)
}

pub(super) fn again() -> Response {
    page(
        StatusCode::BAD_REQUEST,
        r#"<p>This login was not begun here, or is over.</p><p><a id="login" href="/login">Log in again</a></p>"#,
    )
}

pub(super) fn forged() -> Response {
    page(StatusCode::FORBIDDEN, "<p>This request cannot be from this page.</p>")
}

pub(super) fn trouble() -> Response {
    page(StatusCode::BAD_GATEWAY, r#"<p>Something is wrong. Try it again later.</p><p><a href="/">Back</a></p>"#)
}

fn page(status: StatusCode, body: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // No form-action: browsers apply it also to where the logout leads.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ];
    let html = format!("<!doctype html><html lang=\"en\"><title>A web application</title><body>{body}</body></html>");
    (status, headers, html).into_response()
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            character => html.push(character),
        }
    }
    html
}
