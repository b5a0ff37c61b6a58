use std::path::{Path, PathBuf};
use std::{env, fs};

use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::Person;

/// A page and its content, after an accessibility check in every [`View`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedPage {
    pub title: String,
    pub language: String,
    /// The text of each heading of the first level.
    pub headings: Vec<String>,
    /// The landmarks for screen readers, in order: `banner`, `main`, `form` …
    pub landmarks: Vec<String>,
    /// The text that a screen reader announces.
    pub announced: Vec<String>,
    /// All that can be pressed or typed into, by the name a screen reader says.
    pub controls: Vec<String>,
    /// All text.
    pub text: String,
    scripts: usize,
    /// The page's requests for other resources.
    fetched: Vec<String>,
}

/// A way to look at a page.
#[derive(Debug, Clone, Copy)]
struct View {
    scheme: &'static str,
    width: u32,
    height: u32,
    /// The end of the screenshot's name, where one is kept.
    picture: Option<&'static str>,
}

/// At 320 pixels a page has to do without scrolling sideways (WCAG 2.2, 1.4.10).
const VIEWS: [View; 4] = [
    View { scheme: "light", width: 760, height: 680, picture: Some("light") },
    View { scheme: "dark", width: 760, height: 680, picture: None },
    View { scheme: "light", width: 320, height: 720, picture: None },
    View { scheme: "dark", width: 320, height: 720, picture: Some("dark-narrow") },
];

impl Person {
    /// Looks at the page that is there: in light and dark, wide and narrow, it passes all rules of axe, does not scroll
    /// sideways, holds no script and fetches nothing. With `KEEP_SCREENSHOTS` set, pictures of it go to
    /// `.github/screenshots` under this name.
    ///
    /// # Panics
    /// When it does not; the message holds what axe has found.
    pub async fn inspects(&self, name: &str) -> InspectedPage {
        // Evaluated by the driver, from outside: the page's own policy stays as it is, and forbids it scripts of its own.
        self.evaluate(&fs::read_to_string(axe()).expect("tests/peers/install brings axe-core"), vec![]).await;
        for view in VIEWS {
            self.sees_as(view).await;
            let width = self.evaluate("return document.documentElement.scrollWidth", vec![]).await;
            assert!(width.as_u64() <= Some(view.width.into()), "{name} scrolls sideways in {view:?}: it is {width} wide");
            let found: Findings = serde_json::from_value(self.client().execute_async(RUN_AXE, vec![]).await.unwrap()).unwrap();
            assert!(found.wrong.is_empty(), "{name} in {view:?}: {:#}", Value::from(found.wrong));
            assert!(found.right.iter().any(|rule| rule == "color-contrast"), "the contrast was measured: {:?}", found.right);
            if let Some(picture) = view.picture.filter(|_| env::var_os("KEEP_SCREENSHOTS").is_some()) {
                let picture = screenshots().join(format!("{name}-{picture}.png"));
                fs::write(picture, self.client().screenshot().await.unwrap()).expect("the picture is written");
            }
        }
        let page: InspectedPage = serde_json::from_value(self.evaluate(OUTLINE, vec![]).await).expect("the outline has this form");
        assert_eq!((page.scripts, &*page.fetched), (0, &[] as &[String]), "{name} is all there is");
        page
    }

    async fn sees_as(&self, view: View) {
        let View { scheme, width, height, .. } = view;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tells_chromium("Emulation.setEmulatedMedia", media).await;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tells_chromium("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn evaluate(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client().execute(script, arguments).await.expect("the script runs")
    }

    /// A command of the Chrome DevTools Protocol.
    async fn tells_chromium(&self, command: &'static str, parameters: Value) {
        self.client().issue_cmd(DevTools { command, parameters }).await.expect("Chromium does as it is told");
    }
}

#[derive(Deserialize)]
struct Findings {
    /// Rules that are broken, and where; for contrast also where axe could not tell.
    wrong: Vec<Value>,
    right: Vec<String>,
}

#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.expect("the session has begun")))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()))
    }
}

fn axe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("axe-core/node_modules/axe-core/axe.min.js")
}

fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/screenshots")
}

/// All rules, those of good practice too.
const RUN_AXE: &str = r#"
const done = arguments[arguments.length - 1];
axe.run(document, { preload: false }).then(results => {
  const unsure = results.incomplete.filter(rule => rule.id === "color-contrast");
  done({
    wrong: [...results.violations, ...unsure].map(({ id, help, nodes }) =>
      ({ id, help, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) })),
    right: results.passes.map(rule => rule.id),
  });
}, error => done({ wrong: [String(error)], right: [] }));
"#;

/// Roles and names as a screen reader has them.
const OUTLINE: &str = r#"
axe.setup(document);
const all = selector => [...document.querySelectorAll(selector)];
const texts = selector => all(selector).map(element => element.innerText.trim());
const page = {
  title: document.title,
  language: document.documentElement.lang,
  headings: texts("h1"),
  landmarks: all("header, main, nav, footer, aside, section").map(element => axe.commons.aria.getRole(element)).filter(role => role),
  announced: texts("[role=status], [role=alert]"),
  controls: all("a, button, input").map(control => axe.commons.text.accessibleText(control)),
  text: document.body.innerText,
  scripts: document.scripts.length,
  fetched: performance.getEntriesByType("resource").map(entry => entry.name),
};
axe.teardown();
return page;
"#;
