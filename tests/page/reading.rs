//! What a reader finds in a real browser: figures, words, drawings, and a page that stays up to date.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::client::get;
use crate::scene::{FAILING, MARKUP, SECRETS, Scene};

/// The texts of all cells of the table of the most frequent codes, row by row.
const TOP: &str = "[...document.querySelectorAll('main section')[0].querySelectorAll('tbody tr')]\
                   .map(row => [...row.cells].map(cell => cell.innerText.trim()).join('|'))";
/// The same of the targets.
const TARGETS: &str = "[...document.querySelectorAll('table.tasks tbody tr')]\
                       .map(row => [...row.cells].map(cell => cell.innerText.trim()).join('|'))";

/// The path of the newest run on the page of a task.
const FIRST_RUN: &str = "document.querySelector('main table a[href^=\"/run\"]').getAttribute('href')";

/// The path of the link to the page of a task.
fn link_of(browser: &Browser, task: &str) -> String {
    let name = Value::from(task);
    browser.text(&format!(
        "[...document.querySelectorAll('table.tasks a')].find(link => link.innerText === {name}).getAttribute('href')"
    ))
}

/// The browser had nothing to complain of, and asked for nothing but what the daemon has.
fn unharmed(browser: &Browser, scene: &Scene) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let own = format!("http://{}/", scene.address);
    let requests = browser.requests();
    assert!(!requests.is_empty(), "the browser keeps no record of its requests");
    for request in requests {
        assert!(request.starts_with(&own), "{request}");
    }
}

#[test]
fn every_page_says_what_happened() {
    let mut scene = Scene::start();
    scene.settle();
    let browser = Browser::start();
    browser.open(scene.address, "/");
    overview(&browser, &scene);
    let front = link_of(&browser, "front");
    let wrong = link_of(&browser, "wrong");
    languages(&browser, &scene);
    task(&browser, &scene, &front, &wrong);
    let run = browser.text(FIRST_RUN);
    self::run(&browser, &scene, &run);
    for path in ["/task?name=nobody", "/run?id=00000000000000000000000000", "/run?id=x"] {
        browser.open(scene.address, path);
        assert_eq!(browser.text("document.querySelector('h1').innerText"), "There is no such page", "{path}");
        assert_eq!(get(scene.address, path, "").status, 404);
        // The browser complains of the status, and of nothing else.
        let complaints = browser.complaints();
        assert!(complaints.iter().all(|complaint| complaint.contains("404 (Not Found)")), "{complaints:?}");
    }
    inert(&browser, &scene);
}

fn overview(browser: &Browser, scene: &Scene) {
    let rows = browser.texts(TARGETS);
    assert_eq!(rows.len(), 8, "{rows:#?}");
    let row = |task: &str| rows.iter().find(|row| row.starts_with(task)).unwrap_or_else(|| panic!("{rows:#?}"));
    assert!(row("front").contains("|200 Request fulfilled|100 %|"), "{rows:#?}");
    assert!(row("busy").contains("|503 Temporarily out of service|0 %|"), "{rows:#?}");
    assert!(row("wrong").contains("|615 Page content differs from the expected|0 %|"), "{rows:#?}");
    let failed: usize = FAILING.iter().map(|(_, code, _)| scene.failures(code)).sum();
    let runs = scene.runs();
    let cards = browser.texts("[...document.querySelectorAll('.cards dd')].map(card => card.innerText)");
    #[expect(clippy::cast_precision_loss, reason = "a test has a few runs")]
    let availability = format!("{:.2} %", (runs - failed) as f64 / runs as f64 * 100.0);
    assert_eq!(cards, [availability, "5 / 8".into(), runs.to_string(), failed.to_string(), "8".into()]);
    browser.open(scene.address, "/?by=task");
    let top = browser.texts(TOP);
    for (task, code, _) in FAILING {
        let (number, count) = (code.split(' ').next().unwrap_or_default(), scene.failures(code));
        let wanted = top
            .iter()
            .any(|row| row.starts_with(&format!("{task}|{number} ")) && row.contains(&format!("|{count}|100 %|")));
        assert!(wanted, "{task} {code} {count}: {top:#?}");
    }
    browser.open(scene.address, "/?by=shop");
    let top = browser.texts(TOP);
    // The first row of a shop names it; the next ones are its too.
    let mut shop = String::new();
    let mut counted: Vec<(String, String, usize)> = Vec::new();
    for row in &top {
        // Cells from behind: a shop may be named with anything.
        let mut cells = row.rsplit('|').skip(2);
        let count = cells.next().and_then(|count| count.parse().ok()).expect("a count");
        let code = cells.next().and_then(|code| code.split(' ').next()).expect("a code").to_owned();
        let of = cells.collect::<Vec<_>>().join("|");
        if !of.is_empty() {
            shop = of;
        }
        counted.push((shop.clone(), code, count));
    }
    let mut wanted: Vec<(String, String, usize)> = FAILING
        .map(|(_, code, shop)| {
            (shop.to_owned(), code.split(' ').next().unwrap_or_default().to_owned(), scene.failures(code))
        })
        .into();
    counted.sort();
    wanted.sort();
    assert_eq!(counted, wanted, "{top:#?}");
    unharmed(browser, scene);
}

fn languages(browser: &Browser, scene: &Scene) {
    browser.open(scene.address, "/?range=1h");
    browser.value("document.querySelector('nav a[lang=zh]').click()");
    browser.wait_for("document.documentElement.lang === 'zh' && location.search === '?range=1h&lang=zh'");
    assert_eq!(browser.text("document.querySelector('h1').innerText"), "概览");
    let rows = browser.texts(TARGETS);
    assert!(rows.iter().any(|row| row.contains("|503 服务暂时不可用") || row.contains("|503 服务")), "{rows:#?}");
    // Further links carry the choice.
    assert!(link_of(browser, "front").ends_with("&lang=zh"));
    browser.chromium("Network.enable", &json!({}));
    for (header, language) in [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de, en;q=0.5", "en"), ("", "en")] {
        browser.chromium("Network.setExtraHTTPHeaders", &json!({"headers": {"Accept-Language": header}}));
        browser.open(scene.address, "/");
        assert_eq!(browser.text("document.documentElement.lang"), language, "{header}");
    }
    unharmed(browser, scene);
}

fn task(browser: &Browser, scene: &Scene, well: &str, failing: &str) {
    browser.open(scene.address, well);
    let phases =
        "[...new Set([...document.querySelectorAll('svg.plot:not(.low) rect')].map(rect => rect.className.baseVal))]";
    assert_eq!(browser.texts(phases), ["connect", "send", "wait", "receive"]);
    // They stand on each other: together they are as high as the drawing where it is highest.
    let high = "Math.round(Math.max(...[...document.querySelectorAll('svg.plot:not(.low)')].map(plot => \
                [...plot.querySelectorAll('rect')].reduce((sum, rect) => sum + rect.height.baseVal.value, 0))))";
    assert!(browser.number(high) >= 100);
    let painted = "[...document.querySelectorAll('svg.plot rect')].map(rect => getComputedStyle(rect).fill)";
    assert!(browser.texts(painted).iter().all(|colour| colour != "rgb(0, 0, 0)"), "a class without a colour");
    browser.open(scene.address, failing);
    let codes = "[...document.querySelectorAll('svg.plot.low rect.c0 title')].map(title => title.textContent)";
    let codes = browser.texts(codes);
    assert!(!codes.is_empty() && codes.iter().all(|title| title.contains(": 615 Page content differs")), "{codes:?}");
    let rows = browser.number("document.querySelectorAll('main section:last-of-type tbody tr').length");
    assert_eq!(usize::try_from(rows).ok(), Some(scene.failures("615 ")));
    unharmed(browser, scene);
}

fn run(browser: &Browser, scene: &Scene, path: &str) {
    browser.open(scene.address, path);
    let heading = browser.text("document.querySelector('h1').innerText");
    assert_eq!(heading, "615 Page content differs from the expected");
    let parts = browser.texts("[...document.querySelectorAll('table.waterfall td.part')].map(part => part.innerText)");
    assert_eq!(parts, ["connect", "send", "wait", "receive"]);
    assert_eq!(browser.number("document.querySelectorAll('svg.fall rect').length"), 4);
    let text = browser.text("document.querySelector('main').innerText");
    for words in
        ["http.content.absent", "the text `welcome` is not in the 5 bytes searched", "What to do", "127.0.0.1:"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json = browser.text("document.querySelector('details pre').textContent");
    let json: Value = serde_json::from_str(&json).expect("the evidence is JSON");
    assert_eq!((&json["code"], &json["evidence"]["http"]["status"]), (&615.into(), &200.into()), "{json:#}");
    unharmed(browser, scene);
}

/// Markup in names, labels, headers and answers is text, on every page; secrets are on none.
fn inert(browser: &Browser, scene: &Scene) {
    browser.open(scene.address, "/");
    let tasks = ["mail", MARKUP, "secret", "password"].map(|task| link_of(browser, task));
    let mut paths: Vec<String> = ["/?by=shop", "/?by=token", "/?q=%3Cscript%3E%22'"].map(str::to_owned).into();
    for path in &tasks {
        browser.open(scene.address, path);
        paths.extend([path.clone(), browser.text(FIRST_RUN)]);
    }
    for path in &paths {
        browser.open(scene.address, path);
        assert_eq!(browser.number("document.scripts.length"), 1, "{path}");
        assert_eq!(browser.number("document.querySelectorAll('img, main script').length"), 0, "{path}");
        assert_ne!(browser.text("document.title"), "stolen", "{path}");
        let text = browser.html();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path} shows {secret}");
        }
    }
    browser.open(scene.address, &tasks[0]);
    browser.open(scene.address, &browser.text(FIRST_RUN));
    let said = browser.texts("[...document.querySelectorAll('.talk code')].map(line => line.innerText)");
    assert!(said.iter().any(|line| line.starts_with("554 <script>document.title='stolen'</script>")), "{said:?}");
    unharmed(browser, scene);
}

#[test]
fn a_page_stays_up_to_date_with_scripts_and_without() {
    let scene = Scene::start();
    let browser = Browser::start();
    browser.open(scene.address, "/");
    let runs = "Number(document.querySelectorAll('.cards dd')[2].innerText)";
    let before = browser.number(runs);
    // A reload would forget the word and the place of the focus.
    browser.value("window.word = 'the same page', document.querySelector('table.tasks tbody a').focus()");
    let focused = browser.text("document.activeElement.getAttribute('href')");
    browser.wait_for(&format!("{runs} > {before}"));
    assert_eq!(browser.text("window.word"), "the same page");
    assert_eq!(browser.text("document.activeElement.getAttribute('href')"), focused);
    // What the reader has opened stays open.
    browser.open(scene.address, &focused);
    browser.value("window.main = document.querySelector('main'), window.main.querySelector('details').open = true");
    browser.wait_for("document.querySelector('main') !== window.main");
    assert_eq!(browser.number("document.querySelectorAll('main details[open]').length"), 1);
    unharmed(&browser, &scene);
    browser.chromium("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.open(scene.address, "/");
    let html = browser.html();
    assert!(html.contains("<dt>Runs</dt><dd>") && html.contains("503</span> Temporarily out of service"), "{html}");
    assert!(html.contains(r#"<noscript><meta http-equiv="refresh" content="30"></noscript>"#), "{html}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
