//! Bodies of any size, up and down, without holding them.

use std::pin::pin;

use hallpass::{AccessToken, AuthorizedClient};
use http::Response;
use reqwest::Body;

use crate::counting_allocator::most_held;
use crate::hyper_api::{HyperApi, Repeated};

const PIECE: &[u8] = &[7; 256 * 1024];
const MIB: u64 = 4;
/// The buffers of a connection, of TLS and of HTTP/2.
const BUFFERS: usize = 4 * 1024 * 1024;

/// On one thread, so that all that the client holds is counted there.
fn held_meanwhile<T>(work: impl Future<Output = T>) -> (T, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = pin!(work);
    most_held(|| runtime.block_on(work))
}

fn client(api: &HyperApi) -> AuthorizedClient {
    let token = AccessToken::bearer("abc").unwrap();
    AuthorizedClient::from_builder(api.client(), token).unwrap().base_url(api.origin()).unwrap()
}

#[test]
fn an_upload_of_a_gigabyte_is_sent_as_it_comes() {
    for (api, mebibytes) in [
        (HyperApi::plain(|_| Response::new(Repeated::once("hello"))), 1024),
        (HyperApi::over_tls(|_| Response::new(Repeated::once("hello"))), 128),
    ] {
        let (text, held) = held_meanwhile(async {
            let body = Body::wrap(Repeated::new(PIECE, mebibytes * MIB));
            client(&api).post("upload").body(body).send().await.unwrap().text().await.unwrap()
        });
        assert_eq!((text.as_str(), api.seen()[0].body_length), ("hello", mebibytes << 20));
        assert!(held < BUFFERS, "{held} bytes were held of {mebibytes} MiB");
    }
}

#[test]
fn a_download_of_a_gigabyte_is_read_as_it_comes() {
    for (api, mebibytes) in [
        (HyperApi::plain(|_| Response::new(Repeated::new(PIECE, 1024 * MIB))), 1024),
        (HyperApi::over_tls(|_| Response::new(Repeated::new(PIECE, 128 * MIB))), 128),
    ] {
        let (length, held) = held_meanwhile(async {
            let mut response = client(&api).get("film").send().await.unwrap();
            let mut length = 0;
            while let Some(chunk) = response.chunk().await.unwrap() {
                length += chunk.len() as u64;
            }
            length
        });
        assert_eq!(length, mebibytes << 20);
        assert!(held < BUFFERS, "{held} bytes were held of {mebibytes} MiB");
    }
}
