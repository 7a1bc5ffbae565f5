//! The page's files, compiled in. They are public and the same for everybody, so that browsers may keep them and ask
//! whether they changed.

use super::problem::Problem;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A file of the page.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
    /// Changes with the text, and with nothing else.
    tag: String,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        asset("page.html", HTML, include_str!("assets/page.html")),
        asset("page.css", CSS, include_str!("assets/page.css")),
        asset("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
        asset("page.js", SCRIPT, include_str!("assets/page.js")),
        asset("access.js", SCRIPT, include_str!("assets/access.js")),
        asset("api.js", SCRIPT, include_str!("assets/api.js")),
        asset("choices.js", SCRIPT, include_str!("assets/choices.js")),
        asset("disks.js", SCRIPT, include_str!("assets/disks.js")),
        asset("grants.js", SCRIPT, include_str!("assets/grants.js")),
        asset("words.js", SCRIPT, include_str!("assets/words.js")),
    ]
});

fn asset(name: &'static str, media_type: &'static str, text: &'static str) -> Asset {
    Asset { name, media_type, text, tag: format!("\"{}\"", hex::encode(Sha256::digest(text))) }
}

pub(crate) async fn page(headers: HeaderMap) -> Response {
    sent("page.html", &headers)
}

pub(crate) async fn asset_named(Path(name): Path<String>, headers: HeaderMap) -> Response {
    sent(&name, &headers)
}

fn sent(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Problem::no_such_page().into_response();
    };
    let kept = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = kept.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let about = [(ETAG, asset.tag.as_str()), (CACHE_CONTROL, "no-cache")];
    if tags.any(|tag| tag == asset.tag || tag == "*") {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, asset.media_type)], asset.text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_file_of_the_page_names_is_there() {
        let mut named = 0;
        for asset in ASSETS.iter() {
            let pieces = asset.text.split(['"', '\'', '(', ')']);
            for name in pieces.filter_map(|piece| piece.strip_prefix("/assets/").or_else(|| piece.strip_prefix("./"))) {
                assert!(ASSETS.iter().any(|asset| asset.name == name), "{} names {name}", asset.name);
                named += 1;
            }
        }
        assert!(named > 10, "the search finds too little: {named}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_no_script_or_style_is_inline() {
        for asset in ASSETS.iter() {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            for foreign in [
                "http://",
                "https://",
                "@import",
                "//cdn",
                "innerHTML",
                "insertAdjacentHTML",
                "eval(",
                " style=\"",
                " onclick",
            ] {
                assert!(!text.contains(foreign), "{} has {foreign}", asset.name);
            }
        }
        let page = include_str!("assets/page.html");
        assert!(!page.contains("<style") && page.matches("<script").count() == 1);
    }

    #[test]
    fn every_element_that_a_script_asks_for_is_on_the_page_once() {
        let page = include_str!("assets/page.html");
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".js")) {
            for call in asset.text.split("byId(\"").skip(1) {
                let id = call.split('"').next().unwrap();
                assert_eq!(page.matches(&format!(" id=\"{id}\"")).count(), 1, "{} asks for {id}", asset.name);
            }
        }
    }
}
