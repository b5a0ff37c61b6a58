//! `htu`: "the HTTP target URI of the request to which the JWT is attached, without query and fragment parts" (RFC 9449, section 4.2),
//! in the one form that RFC 3986, section 6.2, normalizes it to, so that no server compares it otherwise.

use hallpass::AccessToken;
use hallpass::dpop::DpopKey;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reqwest::Method;

use super::verified;
use crate::at_random::cases;

#[test]
fn however_a_url_is_written_its_proof_names_it_alike() {
    let token = AccessToken::dpop("token-0", DpopKey::generate().unwrap()).unwrap();
    let scheme = select(&["https", "HTTPS", "http", "hTTp"][..]);
    let host = "[a-zA-Z][a-zA-Z0-9-]{0,6}[a-z](\\.[a-zA-Z]{2,5}){0,2}";
    let port = proptest::option::of(prop_oneof![Just(80_u16), Just(443), Just(8443), 1024_u16..]);
    let path = proptest::option::of(vec("[a-zA-Z0-9~_!$&'()*+,;=:@-]{0,5}|\\.|\\.\\.|%[37][0-9A-F]|\\.[a-z]", 0..5));
    let query = proptest::option::of("[a-z/?&=%#.]{0,8}");
    let fragment = proptest::option::of("[a-z/?.]{0,4}");
    proptest!(cases(64), |(scheme in scheme, host in host, port in port, path in path, query in query, fragment in fragment)| {
        let written_port = port.map_or_else(String::new, |port| format!(":{port}"));
        let written_path = path.as_ref().map_or_else(String::new, |segments| format!("/{}", segments.join("/")));
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
        let url = format!("{scheme}://{host}{written_port}{written_path}{query}{fragment}").parse().unwrap();

        let scheme = scheme.to_ascii_lowercase();
        let default = if scheme == "https" { 443 } else { 80 };
        let port = port.filter(|port| *port != default).map_or_else(String::new, |port| format!(":{port}"));
        let path = path.map_or_else(|| "/".to_owned(), |segments| without_dots(&segments));
        let expected = format!("{scheme}://{}{port}{path}", host.to_ascii_lowercase());
        let proof = verified(token.proof(&Method::GET, &url).unwrap().unwrap().to_str().unwrap());
        prop_assert_eq!(proof["htu"].as_str(), Some(&*expected), "{}", url);
    });
}

/// RFC 3986, section 5.2.4, for a path that begins with a slash.
fn without_dots(segments: &[String]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for (position, segment) in segments.iter().enumerate() {
        let is_last = position + 1 == segments.len();
        match segment.as_str() {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}
