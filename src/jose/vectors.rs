//! Signatures that others have published or forged.

use crate::crypto::{Algorithm, SigningKey, VerifyingKey};
use crate::jose::jws::JwsRefused;
use crate::jose::{CompactJws, Jwk, base64url_decode};
use crate::json;

fn key(jwk: &str) -> VerifyingKey {
    json::object::<Jwk<'_>>(jwk.as_bytes()).unwrap().verifying_key().unwrap().0
}

fn verified(token: &str, key: &VerifyingKey) -> bool {
    let jws = CompactJws::parse(token, &["JWT"]).unwrap();
    key.verify(jws.algorithm, jws.signing_input, &jws.signature)
}

/// The public key and the token of RFC 7515, appendices A.2, A.3 and A.4, and of RFC 8037, appendix A.4.
const PUBLISHED: [(&str, &str); 4] = [
    (
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    (
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    (
        r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ),
    (
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
];

#[test]
fn published_signatures_are_verified_by_their_keys_and_by_no_other() {
    for (position, (jwk, _)) in PUBLISHED.iter().enumerate() {
        for (other, (_, another)) in PUBLISHED.iter().enumerate() {
            assert_eq!(verified(another, &key(jwk)), other == position, "{another} by {jwk}");
        }
    }
}

/// C33
#[test]
fn a_signature_with_any_bit_flipped_is_wrong() {
    for (jwk, token) in PUBLISHED {
        let key = key(jwk);
        let mut jws = CompactJws::parse(token, &["JWT"]).unwrap();
        for bit in 0..8 * jws.signature.len() {
            jws.signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(jws.algorithm, jws.signing_input, &jws.signature), "{:?}, bit {bit}", jws.algorithm);
            jws.signature[bit / 8] ^= 1 << (bit % 8);
        }
        let mut input = jws.signing_input.to_vec();
        for position in 0..input.len() {
            input[position] ^= 1;
            assert!(!key.verify(jws.algorithm, &input, &jws.signature), "{:?}, byte {position}", jws.algorithm);
            input[position] ^= 1;
        }
        assert!(key.verify(jws.algorithm, &input, &jws.signature));
    }
}

/// C33
#[test]
fn a_signature_is_of_one_length_and_one_encoding() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let pair = SigningKey::generate(algorithm).unwrap();
        let key = match pair.public_parts().unwrap() {
            crate::crypto::PublicParts::Ec { x, y, .. } => VerifyingKey::elliptic(algorithm, &x, &y).unwrap(),
            crate::crypto::PublicParts::Okp { x } => VerifyingKey::ed25519(&x).unwrap(),
            crate::crypto::PublicParts::Rsa { .. } => unreachable!("none of them is RSA"),
        };
        let good = pair.sign(algorithm, b"hallpass").unwrap();
        assert!(key.verify(algorithm, b"hallpass", &good));
        let (r, s) = good.split_at(good.len() / 2);
        let zeros = vec![0; r.len()];
        let integer = |number: &[u8]| [&[2, u8::try_from(number.len() + 1).unwrap(), 0], number].concat();
        let (first, second) = (integer(r), integer(s));
        let der = [&[0x30, 0x81, u8::try_from(first.len() + second.len()).unwrap()], &first[..], &second[..]].concat();
        for (name, forged) in [
            ("r = s = 0", [&zeros[..], &zeros].concat()),
            ("r = 0", [&zeros[..], s].concat()),
            ("s = 0", [r, &zeros].concat()),
            ("all ones", vec![0xff; good.len()]),
            ("DER", der),
            ("the halves swapped", [s, r].concat()),
            ("a byte more", [&good[..], &[0]].concat()),
            ("a zero in front", [&[0], &good[..]].concat()),
            ("a byte less", good[..good.len() - 1].to_vec()),
            ("nothing", Vec::new()),
        ] {
            assert!(!key.verify(algorithm, b"hallpass", &forged), "{algorithm:?}, {name}");
        }
    }
}

/// C33: each line is a signature of "hallpass" by a key that everybody knows, over a block that is padded wrongly.
#[test]
fn an_rsa_signature_over_a_wrongly_padded_hash_is_wrong() {
    let key = VerifyingKey::rsa(&base64url_decode(MODULUS.as_bytes()).unwrap(), &[1, 0, 1]).unwrap();
    let signatures = include_str!("forged_rsa_signatures.txt").lines().map(|line| line.split_once(": ").unwrap());
    let mut tried = 0;
    for (how, signature) in signatures {
        let signature = base64url_decode(signature.as_bytes()).unwrap();
        assert_eq!(key.verify(Algorithm::Rs256, b"hallpass", &signature), how == "as it should be", "{how}");
        assert!(!key.verify(Algorithm::Rs512, b"hallpass", &signature) && !key.verify(Algorithm::Ps256, b"hallpass", &signature));
        tried += 1;
    }
    assert_eq!(tried, 13);
}

const MODULUS: &str = "lx0iY9IG-0fIUCU30koz6BOsqV9atSzaXLz_MWhYUQR7oFsfkKQ16EDnng5knqhB7S9EjaKqzlnRaSIRT4hjLS0_HAyFDe6E6jGVEZMP3X1eC3flOOJiclEsg2Pn459rv7vCoY4hCR3r8jm5oDLVmoJ6A5WL_dnzV1hkXHb609I4fUKw7yRpK76diuBcz-8KrIhvDH3C3SKmndhnVoGB-xeiM2Ov6yW2WRse6naF5pH6VkYOGQCNZVMztzlhI8iKfsV2KxWVMU3gfFgT8Re-ux7BDPVWPmoT5eD2Wy633-5M5PK0qBfQ36dhxePaf2u5Qd9ApmBT4vpHFSEwgMCY1Q";

/// C12
#[test]
fn a_text_that_cannot_be_a_token_is_refused_before_anything_is_decoded() {
    // Zeroed memory that is only read is hardly there.
    let endless = String::from_utf8(vec![0; 300 << 20]).unwrap();
    for (text, why) in [
        (endless, JwsRefused::TooLong),
        (".".repeat(1_000_000), JwsRefused::TooLong),
        (".".repeat(200_000), JwsRefused::Parts),
        ("A".repeat(200_000), JwsRefused::Parts),
        (format!("{}.e30", "A".repeat(200_000)), JwsRefused::Parts),
        (format!("{}.e30.e30.e30.e30", "A".repeat(200_000)), JwsRefused::Encrypted),
    ] {
        let mut refused = None;
        let cost = allocation_counter::measure(|| refused = CompactJws::parse(&text, &["JWT"]).err());
        assert_eq!((refused, cost.count_total), (Some(why), 0), "{} bytes", text.len());
    }
}
