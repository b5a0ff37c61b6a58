//! Row 3: a whole GET on a connection that is there already, with client and server on one core.
use std::time::Duration;

use hallpass::AuthorizedClient;
use hallpass::testing::TestProvider;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::runtime::{Builder, Runtime};

use crate::endpoint::{self, TOKEN, TokenEndpoint};
use crate::measure::{Unit, Variant, table};
use crate::source::{Answer, Azure, Google, Hallpass, Ready, Source, Yup};

pub fn measure() -> String {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let url = endpoint::api();
    let endpoint = TokenEndpoint::start(Duration::ZERO);
    let provider = runtime.block_on(TestProvider::start());
    let plain = Client::builder().no_proxy().build().unwrap();

    // What a connection of its own makes of it.
    let another = Client::builder().no_proxy().build().unwrap();

    let hallpass = runtime.block_on(Hallpass::logged_in(&provider));
    let ready = Ready(runtime.block_on(hallpass.header()));
    let authorized = AuthorizedClient::from_builder(Client::builder().no_proxy(), hallpass.0).unwrap();
    let with_middleware = ClientBuilder::new(plain.clone()).with(Header(ready.0.clone())).build();
    let azure = Azure::new(|| Answer { after: Duration::ZERO, token: TOKEN.to_owned() });
    let google = Google::new(&endpoint.url);
    let yup = runtime.block_on(Yup::new(&endpoint.url, TOKEN, true));

    let variants = vec![
        by_hand("floor: reqwest with a ready header", &runtime, &plain, &url, &ready),
        by_hand("reqwest with a ready header, another client", &runtime, &another, &url, &ready),
        Variant::waiting("hallpass", CALLS, &runtime, || async { whole(authorized.get(&url).send().await.unwrap()).await }),
        Variant::waiting("reqwest-middleware, a ready header", CALLS, &runtime, || async {
            whole(with_middleware.get(&url).send().await.unwrap()).await;
        }),
        by_hand("reqwest and google-cloud-auth", &runtime, &plain, &url, &google),
        by_hand("reqwest and azure_identity", &runtime, &plain, &url, &azure),
        by_hand("reqwest and yup-oauth2", &runtime, &plain, &url, &yup),
    ];
    table("A GET on loopback, kept alive, client and server on one core", Unit::Microseconds, ROUNDS, variants)
}

fn by_hand<'a>(name: &str, runtime: &'a Runtime, client: &'a Client, url: &'a str, source: &'a impl Source) -> Variant<'a> {
    Variant::waiting(name, CALLS, runtime, move || async move {
        whole(client.get(url).header(AUTHORIZATION, source.header().await).send().await.unwrap()).await;
    })
}

async fn whole(response: Response) {
    assert_eq!(response.bytes().await.unwrap(), "hello");
}

struct Header(HeaderValue);

#[async_trait::async_trait]
impl Middleware for Header {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        next.run(request, extensions).await
    }
}

const ROUNDS: usize = 301;
const CALLS: u32 = 50;
