//! A real browser without a window: Chromium, driven through its WebDriver, as a person would use a page.
//!
//! Things on a page are named by CSS selectors. Everything waits until what it is about can be seen.

use super::process::{Background, PATIENCE, processes_naming, program, wait_until};
use super::requirements::Need;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What a test with a browser needs.
pub(crate) const NEEDS: [Need; 2] = [Need::CHROMIUM, Need::CHROMEDRIVER];

/// Size of the window, in CSS pixels.
const WINDOW: &str = "--window-size=1280,900";

/// A browser with an empty profile of its own. Its processes and its profile go with the value.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    /// The last to go but for the directory: it ends what it started.
    driver: Background,
    directory: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("fr-browser-").tempdir().unwrap();
        for name in ["profile", "downloads", "tmp"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (driver, port) = start_driver(directory.path());
        // A value from here on, so that a failure to connect ends the driver as well.
        let mut browser = Self { runtime, client: None, driver, directory };
        let capabilities = browser.capabilities();
        let client = browser.runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await
        });
        browser.client = Some(client.unwrap());
        browser
    }

    fn capabilities(&self) -> Capabilities {
        let profile = format!("--user-data-dir={}", self.profile().display());
        let options = json!({
            "binary": super::requirements::find_program("chromium").expect("chromium is there"),
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-proxy-server", WINDOW, profile,
            ],
            "prefs": {
                "download.default_directory": self.downloads(),
                "download.prompt_for_download": false,
                "profile.default_content_setting_values.automatic_downloads": 1,
                "safebrowsing.enabled": true,
            },
        });
        let capabilities = json!({
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        capabilities.as_object().expect("written as one").clone()
    }

    /// Where it keeps all that it writes, downloads included.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that the browser remembers.
    fn profile(&self) -> PathBuf {
        self.directory.path().join("profile")
    }

    fn downloads(&self) -> PathBuf {
        self.directory.path().join("downloads")
    }

    /// The process of the driver; the browser's own have the profile in their command lines.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut found = processes_naming(&self.profile());
        found.push(self.driver.id());
        found
    }

    /// Carries out what the methods below do not offer.
    #[track_caller]
    pub(crate) fn with<T, F>(&self, action: impl FnOnce(Client) -> F) -> T
    where
        F: Future<Output = Result<T, fantoccini::error::CmdError>>,
    {
        let client = self.client.as_ref().expect("open until it is dropped").clone();
        self.runtime.block_on(action(client)).unwrap_or_else(|error| panic!("{error}\n{}", self.told()))
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.with(|client| async move { client.goto(url).await });
    }

    /// The first element that this CSS selector names and that can be seen, as soon as there is one.
    #[track_caller]
    pub(crate) fn find(&self, selector: &str) -> Element {
        let start = Instant::now();
        loop {
            if let Some(element) = self.seen(selector).into_iter().next() {
                return element;
            }
            assert!(start.elapsed() < PATIENCE / 4, "{selector} is not on the page; {}", self.told());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many things that this selector names can be seen now.
    pub(crate) fn count(&self, selector: &str) -> usize {
        self.seen(selector).len()
    }

    fn seen(&self, selector: &str) -> Vec<Element> {
        let client = self.client.as_ref().expect("open until it is dropped");
        self.runtime.block_on(async {
            let mut seen = Vec::new();
            // A page that changes under the search is searched again by whoever waits.
            for element in client.find_all(Locator::Css(selector)).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) {
                    seen.push(element);
                }
            }
            seen
        })
    }

    /// The text of what this selector names.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.find(selector);
        self.with(|_| async move { element.text().await })
    }

    /// Whether this text can be seen anywhere on the page now.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.visible_text().contains(text)
    }

    /// All that can be seen of the page, as text.
    pub(crate) fn visible_text(&self) -> String {
        self.script("return document.body ? document.body.innerText : ''").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until this text can be seen.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) {
        let start = Instant::now();
        while !self.shows(text) {
            assert!(start.elapsed() < PATIENCE / 4, "the page does not show {text:?}; {}", self.told());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks what this selector names.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.with(|_| async move { element.click().await });
    }

    /// Writes into a field, in place of what is there.
    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.with(|_| async move {
            element.clear().await?;
            element.send_keys(text).await
        });
    }

    /// What is written in, or chosen in, a field.
    #[track_caller]
    pub(crate) fn value(&self, selector: &str) -> String {
        let element = self.find(selector);
        self.with(|_| async move { element.prop("value").await }).unwrap_or_default()
    }

    /// Presses a key, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, key: Key) {
        let key = String::from(char::from(key));
        self.with(|client| async move { client.active_element().await?.send_keys(&key).await });
    }

    /// The id of the element that has the focus.
    pub(crate) fn focused(&self) -> String {
        self.script("return document.activeElement.id").as_str().unwrap_or_default().to_owned()
    }

    /// Runs the body of a function in the page.
    #[track_caller]
    pub(crate) fn script(&self, body: &str) -> Value {
        self.with(|client| async move { client.execute(body, Vec::new()).await })
    }

    /// Writes a picture of the page to be looked at, into `screenshots` beside the other products of tests.
    #[track_caller]
    pub(crate) fn screenshot(&self, name: &str) {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&directory).unwrap();
        let picture = self.with(|client| async move { client.screenshot().await });
        fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    /// Waits until a file whose name ends like this was downloaded whole.
    #[track_caller]
    pub(crate) fn downloaded(&self, ending: &str) -> PathBuf {
        let mut found = None;
        wait_until(&format!("a file *{ending} is downloaded"), || {
            let files = fs::read_dir(self.downloads()).unwrap().map(|entry| entry.unwrap().path());
            // Chromium gives a file its name when all of it is there.
            found = files.into_iter().find(|file| file.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes()));
            found.is_some()
        });
        found.expect("waited for")
    }

    /// What the page and its console say, for the message of a failure.
    fn told(&self) -> String {
        let Some(client) = self.client.as_ref() else { return String::new() };
        self.runtime.block_on(async {
            let url = client.current_url().await.map(|url| url.to_string()).unwrap_or_default();
            let text = client.execute("return document.body.innerText", Vec::new()).await.unwrap_or_default();
            format!("{url} says:\n{}", text.as_str().unwrap_or_default())
        })
    }
}

/// Starts the driver at a port of its own choice. It wants the same one of IPv4 and of IPv6, which may be taken.
fn start_driver(directory: &Path) -> (Background, u16) {
    const TRIES: usize = 10;
    let mut said = String::new();
    for _ in 0..TRIES {
        let mut command = program("chromedriver");
        command.args(["--port=0", "--log-level=WARNING"]).env("TMPDIR", directory.join("tmp")).env("HOME", directory);
        let mut driver = Background::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut output = BufReader::new(driver.child().stdout.take().unwrap());
        while let Some(line) = output.by_ref().lines().next() {
            let line = line.unwrap();
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim().trim_end_matches('.').parse().unwrap();
                // What it says later must not hold it up.
                std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
                return (driver, port);
            }
            said.push_str(&line);
        }
    }
    panic!("chromedriver does not start: {said}");
}

impl Browser {
    /// Closes the browser as a person does, and waits until it has written down what it remembers.
    pub(crate) fn quit(&mut self) {
        if let Some(client) = self.client.take() {
            let close = async { tokio::time::timeout(Duration::from_secs(5), client.close()).await };
            let _ = self.runtime.block_on(close);
        }
        let _ = self.driver.child().kill();
        let _ = self.driver.child().wait();
        // Its processes write into the profile until they end, and they are not children of this one.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let left = processes_naming(&self.profile());
            if left.is_empty() {
                break;
            }
            for id in left.into_iter().filter_map(|id| Pid::from_raw(id.try_into().ok()?)) {
                let _ = kill_process(id, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.quit();
    }
}

/// A server that gives one page and a file, for as long as the test runs.
fn serve_page(page: &'static str) -> std::net::SocketAddr {
    use std::io::Write;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let file = request[..length].starts_with(b"GET /file");
            let (kind, body) = if file { ("application/octet-stream", "of the file") } else { ("text/html", page) };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
            let _ = write!(stream, "{head}Connection: close\r\n\r\n{body}");
        }
    });
    address
}

#[test]
fn a_page_is_clicked_read_and_downloaded_from_and_the_browser_leaves_nothing() {
    if !super::skip_unless(&NEEDS) {
        return;
    }
    let address = serve_page(
        "<input id=who><button id=greet onclick=\"o.textContent = 'Hello ' + who.value\">Greet me</button>\
         <p id=o></p><a id=download download=a.bundle href=/file>Download</a>\
         <a id=script download=a.sh href=/file>Script</a><p hidden>unseen</p>",
    );
    let browser = Browser::start();
    browser.open(&format!("http://{address}/"));
    browser.fill("#who", "Ann");
    assert_eq!(browser.value("#who"), "Ann");
    browser.click("#greet");
    browser.wait_for_text("Hello Ann");
    assert_eq!(browser.text("#o"), "Hello Ann");
    assert!(!browser.shows("unseen"));
    assert_eq!((browser.count("p"), browser.count("button")), (1, 1));
    browser.press(Key::Tab);
    assert_eq!(browser.focused(), "download");
    browser.press(Key::Enter);
    assert_eq!(fs::read(browser.downloaded(".bundle")).unwrap(), b"of the file");
    // Of scripts a browser may want to know whether they are really wanted, in a window that nobody sees here.
    browser.click("#script");
    assert_eq!(fs::read(browser.downloaded(".sh")).unwrap(), b"of the file");
    browser.screenshot("self-test");
    let (processes, directory) = (browser.processes(), browser.directory.path().to_owned());
    assert!(processes.len() > 2, "{processes:?}");
    drop(browser);
    assert!(!directory.exists());
    // One that ended and that nobody has waited for yet has no arguments any more.
    let lives = |id: &&u32| fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|arguments| !arguments.is_empty());
    assert_eq!(processes.iter().filter(lives).count(), 0);
}
