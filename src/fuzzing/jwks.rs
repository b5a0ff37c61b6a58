use serde_json::Value;

use super::errors;
use super::made_up::{CANARY, json_reply, read_by_another};
use crate::jose::{CompactJws, base64url_decode};
use crate::provider::{KeySet, Verdict};

/// Tokens of RFC 7515, appendices A.2 and A.3, and of RFC 8037, appendix A.4, each with a member of the only key that signed it.
const SIGNED: [(&str, &str, &str); 3] = [
    (
        "n",
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    (
        "x",
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    (
        "x",
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
];

/// Whatever a provider publishes, a signature is good only by the key that made it, published as what it is.
pub fn jwks(body: &[u8]) {
    let set = match KeySet::from_reply(&json_reply(body)) {
        Ok(set) => set,
        Err(error) => return errors::check(&error, &[CANARY]),
    };
    let Some(document) = read_by_another(body) else { return };
    let keys = document["keys"].as_array().expect("a set has keys");
    for (member, value, token) in SIGNED {
        let mut jws = CompactJws::parse(token, &["JWT"]).expect("it is a JWS");
        let signer = base64url_decode(value.as_bytes()).expect("it is base64url");
        let is_signer = |key: &&Value| {
            let own = key[member].as_str().and_then(|own| base64url_decode(own.as_bytes()));
            own.is_some_and(|own| own.ends_with(&signer)) && key.get("d").is_none_or(Value::is_null) && is_for_signatures(key)
        };
        if set.verify(&jws) == Verdict::Verified {
            assert!(keys.iter().any(|key| is_signer(&key)), "{} is verified by another key than its own", jws.algorithm.name());
        }
        jws.kid = Some("one".into());
        let named = keys.iter().filter(|key| key["kid"] == "one");
        match set.verify(&jws) {
            Verdict::Verified => assert!(named.clone().any(|key| is_signer(&key)), "verified by a key of another id"),
            Verdict::UnusableKey(_) | Verdict::Forged => assert!(named.count() > 0),
            Verdict::UnknownKey => {}
        }
        for kid in [None, Some("one".into())] {
            jws.kid = kid;
            jws.signature[20] ^= 1;
            assert_ne!(set.verify(&jws), Verdict::Verified, "a signature with a bit flipped");
            jws.signature[20] ^= 1;
            let input = jws.signing_input;
            jws.signing_input = &input[..input.len() - 1];
            assert_ne!(set.verify(&jws), Verdict::Verified, "a message that was cut off");
            jws.signing_input = input;
        }
    }
}

fn is_for_signatures(key: &Value) -> bool {
    key.get("use").is_none_or(|usage| usage.is_null() || usage == "sig")
}
