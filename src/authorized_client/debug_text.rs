//! The settings of a built reqwest client, read from its Debug output: reqwest tells them in no other way.
//!
//! Text that a program chose stands in this output, too. So a setting is read only at the place where reqwest writes it, before
//! any such text, and an output that is not recognised counts as the unsafe answer. The tests pin reqwest 0.13.5, the
//! only version that Cargo.lock has been tested with.

use http::HeaderName;
use reqwest::Client;

/// Returns whether this client is known to follow no redirects. A custom policy is not known to follow none.
pub(super) fn follows_no_redirects(client: &Client) -> bool {
    after_proxies(&format!("{client:?}")).is_some()
}

/// Returns whether a client that follows no redirects is known to use no proxy: none is listed, or only an environment that names
/// none.
pub(super) fn has_no_proxy(client: &Client) -> bool {
    after_proxies(&format!("{client:?}")).is_some_and(|proxies| matches!(proxies, "" | ", proxies: [Matcher]"))
}

/// Returns whether every request of this client carries a header of that name. The text quotes names, and escapes quotes inside of
/// values.
pub(super) fn has_default_header(client: &Client, name: &HeaderName) -> bool {
    format!("{client:?}").contains(&format!("\"{name}\": "))
}

/// The list of proxies, where it is followed by the policy that follows no redirect. Before it stand only words of reqwest's own.
fn after_proxies(shown: &str) -> Option<&str> {
    let rest = shown.strip_prefix("Client { ")?;
    let rest = rest.strip_prefix("cookie_store: true, ").unwrap_or(rest);
    let rest = rest.strip_prefix("accepts: Accepts")?;
    let rest = match rest.strip_prefix(" { ") {
        Some(fields) => fields.split_once(" }")?.1,
        None => rest,
    };
    // A quote inside of a program's own text is escaped, so that this is found in none.
    let (proxies, _) = rest.split_once(", redirect_policy: \"Policy(None)\", ")?;
    (proxies.is_empty() || proxies.starts_with(", proxies: [")).then_some(proxies)
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
    use reqwest::redirect::Policy;
    use reqwest::{ClientBuilder, Proxy};

    use super::*;

    fn still() -> ClientBuilder {
        Client::builder().redirect(Policy::none())
    }

    /// F9: pins what reqwest's Debug output shows.
    #[test]
    fn a_default_header_is_seen_in_the_debug_output() {
        for sensitive in [false, true] {
            let mut value = HeaderValue::from_static("Bearer abc");
            value.set_sensitive(sensitive);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let client = Client::builder().default_headers(headers).build().unwrap();
            assert!(has_default_header(&client, &AUTHORIZATION));
        }
        let decoy = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("\"authorization\": x"))]);
        assert!(!has_default_header(&Client::builder().default_headers(decoy).build().unwrap(), &AUTHORIZATION));
    }

    /// F31: pins what reqwest's Debug output shows.
    #[test]
    fn a_proxy_is_seen_in_the_debug_output() {
        assert!(has_no_proxy(&still().no_proxy().build().unwrap()));
        for proxy in [Proxy::http("http://127.0.0.1:9"), Proxy::https("http://127.0.0.1:9"), Proxy::all("http://127.0.0.1:9")] {
            assert!(!has_no_proxy(&still().proxy(proxy.unwrap()).build().unwrap()));
        }
        let custom = Proxy::custom(|_| Some("http://127.0.0.1:9"));
        assert!(!has_no_proxy(&still().proxy(custom).build().unwrap()));
        // The environment that the tests run in may name a proxy, or not.
        let shown = format!("{:?}", Client::new());
        assert!(shown.contains("proxies: [Matcher],") || shown.contains("proxies: [Matcher {"), "{shown}");
    }

    /// K5: a header that reads like a setting says nothing.
    #[test]
    fn a_programs_own_text_is_not_taken_for_a_setting() {
        for decoy in ["proxies: [Matcher],", "Client { accepts: Accepts, redirect_policy: \"Policy(None)\", "] {
            let proxied = || Client::builder().proxy(Proxy::all("http://127.0.0.1:9").unwrap()).user_agent(decoy);
            assert!(!has_no_proxy(&proxied().redirect(Policy::none()).build().unwrap()), "{decoy}");
            assert!(!follows_no_redirects(&proxied().build().unwrap()), "{decoy}");
            assert!(follows_no_redirects(&proxied().redirect(Policy::none()).build().unwrap()), "{decoy}");
        }
    }

    /// K2: pins what reqwest's Debug output shows: an unknown policy counts as one that follows.
    #[test]
    fn a_redirect_policy_is_seen_in_the_debug_output() {
        assert!(follows_no_redirects(&still().build().unwrap()));
        assert!(follows_no_redirects(&still().no_proxy().referer(false).build().unwrap()));
        for policy in [Policy::default(), Policy::limited(1), Policy::limited(0), Policy::custom(|attempt| attempt.stop())] {
            assert!(!follows_no_redirects(&Client::builder().redirect(policy).build().unwrap()));
        }
    }
}
