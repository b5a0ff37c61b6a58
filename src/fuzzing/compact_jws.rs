use serde_json::Value;

use super::made_up::read_by_another;
use crate::error::is_unprintable;
use crate::jose::{CompactJws, base64url};
use crate::provider::IdToken;
use crate::secret::Secret;

/// A compact JWS that is read at all is written in the one way that there is to write it.
pub fn compact_jws(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for typ in ["JWT", "at+jwt"] {
        match CompactJws::parse(text, &[typ]) {
            Ok(jws) => {
                let input = std::str::from_utf8(jws.signing_input).expect("it is a part of a text");
                let (header, payload) = input.split_once('.').expect("it has two parts");
                assert_eq!(payload, base64url(&jws.payload));
                assert_eq!(text, format!("{header}.{payload}.{}", base64url(&jws.signature)));
                assert!(text.len() <= 256 * 1024);
                let header = crate::jose::base64url_decode(header.as_bytes()).expect("its header was decoded");
                let Some(header) = read_by_another(&header) else { return };
                assert_eq!(header["alg"], jws.algorithm.name());
                assert_eq!(header.get("kid").and_then(Value::as_str), jws.kid.as_deref());
                assert!(header.get("crit").is_none());
                let own = header.get("typ").and_then(Value::as_str).unwrap_or(typ).to_ascii_lowercase();
                assert_eq!(own.strip_prefix("application/").unwrap_or(&own), typ.to_ascii_lowercase());
            }
            Err(refused) => {
                let shown = refused.to_string();
                assert!(shown.len() < 8192 && !shown.chars().any(is_unprintable), "{shown:?}");
            }
        }
    }
    if let Some(token) = IdToken::restore(Secret::from(text)) {
        assert_eq!(token.raw().expose(), text);
        assert_eq!(token.claims().get::<String>("sub").as_deref(), Some(token.subject()));
    }
}
