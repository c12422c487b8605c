//! What a page looks like on a desk and on a phone, by day and by night. The pictures are kept in `target/page`.

use std::fs;

use crate::browser::{Browser, here};
use crate::scene::{MARKUP, Scene};

/// How many keys are pressed to see whether the focus shows.
const TABS: usize = 12;

#[test]
fn every_page_fits_and_shows_its_focus() {
    let mut scene = Scene::start();
    scene.settle();
    let browser = Browser::start();
    let folder = here("target/page");
    fs::create_dir_all(&folder).expect("a folder for the pictures");
    for (name, path) in pages(&browser, &scene) {
        for (device, width) in [("desk", 1280), ("phone", 390)] {
            for colours in ["light", "dark"] {
                browser.wear(width, colours);
                browser.open(scene.address, &path);
                let wide = browser.number("document.documentElement.scrollWidth");
                assert!(wide <= i64::from(width), "{name} is {wide} wide on {width}");
                browser.picture(&folder.join(format!("{name}-{device}-{colours}.png")));
            }
        }
        focus(&browser, &name);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
}

/// The pages that there are, by name: the first, and of two tasks the task and a run.
fn pages(browser: &Browser, scene: &Scene) -> Vec<(String, String)> {
    let mut pages =
        vec![("overview".to_owned(), "/?by=shop".to_owned()), ("chinese".to_owned(), "/?lang=zh".to_owned())];
    for (name, task) in [("busy", "busy"), ("front", "front"), ("mail", "mail"), ("markup", MARKUP)] {
        browser.open(scene.address, "/");
        let task = serde_json::Value::from(task);
        let link = browser.text(&format!(
            "[...document.querySelectorAll('table.tasks a')].find(link => link.innerText === {task}).getAttribute('href')"
        ));
        browser.open(scene.address, &link);
        let run = browser.text("document.querySelector('main table a[href^=\"/run\"]').getAttribute('href')");
        pages.extend([(format!("task-{name}"), link), (format!("run-{name}"), run)]);
    }
    pages
}

/// Whoever goes from link to link by keyboard sees where they are.
fn focus(browser: &Browser, page: &str) {
    for _ in 0..TABS {
        browser.tab();
        let seen = browser.text(
            "(element => element === document.body ? 'body' : getComputedStyle(element).outlineStyle + ' ' + \
             parseInt(getComputedStyle(element).outlineWidth) + 'px ' + element.outerHTML)(document.activeElement)",
        );
        assert!(seen == "body" || seen.starts_with("solid 2px "), "{page}: {seen}");
    }
}
