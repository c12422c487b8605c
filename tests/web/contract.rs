//! What every path answers, and to whom.

use crate::house::{House, PAGE, answering};

const SECRETS: &str = "[web]\ntoken = \"t0ken\"\nusername = \"ann\"\npassword = \"b0b\"\n";
const NOTHING: &str = "[[task]]\nname = \"module\"\n[task.tcp]\n";

#[test]
fn every_path_has_its_methods_and_says_so_in_words() {
    let house = House::open("", NOTHING);
    let rows = [
        ("GET", "/", 200),
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("POST", "/-/reload", 200),
        ("GET", "/-/reload", 405),
        ("POST", "/metrics", 405),
        ("DELETE", "/probe", 405),
        ("POST", "/-/healthy", 405),
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/-/", 404),
    ];
    for (method, path, status) in rows {
        let answer = house.ask(method, path, "");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.field("allow").is_some(), status == 405, "{method} {path}: {answer:?}");
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}: {answer:?}");
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.field(name), Some(value), "{method} {path}: {answer:?}");
        }
        assert!(answer.field("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
    }
}

#[test]
fn everybody_but_those_who_ask_for_health_shows_who_they_are() {
    let house = House::open(SECRETS, NOTHING);
    for path in ["/", "/metrics", "/probe?target=a", "/-/ready", "/api/v1/tasks", "/nothing"] {
        let answer = house.get(path);
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(answer.field("www-authenticate").is_some(), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(house.get("/-/healthy").status, 200);
    assert_eq!(house.ask("GET", "/metrics", "Authorization: Bearer t0ken\r\n").status, 200);
    // ann:b0b
    assert_eq!(house.ask("GET", "/metrics", "Authorization: Basic YW5uOmIwYg==\r\n").status, 200);
    assert_eq!(house.ask("GET", "/metrics", "Authorization: Basic YW5uOmJvYg==\r\n").status, 401);
    assert_eq!(house.ask("POST", "/-/reload", "").status, 401);
}

#[test]
fn ready_is_said_while_the_schedule_runs() {
    let house = House::open("", NOTHING);
    assert_eq!(house.get("/-/ready").status, 200);
    house.ready.send_replace(false);
    let answer = house.get("/-/ready");
    assert_eq!((answer.status, answer.body.starts_with("not ready")), (503, true));
    assert_eq!(house.get("/-/healthy").status, 200);
}

#[test]
fn a_reload_says_what_came_of_it_and_obeys_no_foreign_page() {
    let house = House::open("", NOTHING);
    assert_eq!(house.ask("POST", "/-/reload", "Content-Length: 0\r\n").body, "reloaded: 1 tasks\n");
    *house.verdict.lock().unwrap() = Err("tasks.toml:3: `intervall` is no key".to_owned());
    let refused = house.ask("POST", "/-/reload", "");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("tasks.toml:3: `intervall` is no key"), "{refused:?}");
    let address = house.address;
    let own = format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(house.ask("POST", "/-/reload", &own).status, 422);
    for foreign in ["Origin: http://evil.test\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(house.ask("POST", "/-/reload", foreign).status, 403, "{foreign}");
    }
}

#[test]
fn the_api_says_what_tasks_there_are_and_what_came_of_them() {
    let (page, other) = (answering(PAGE), answering(PAGE));
    let tasks = format!(
        "[[task]]\nname = \"front\"\ntargets = [\"http://u:geheim@{page}/\"]\nlabels = {{ team = \"a\" }}\n[task.http]\n\
         [[task]]\nname = \"port\"\ntarget = \"{other}\"\n[task.tcp]\nsend = \"x\"\nexpect = \"never\"\n{NOTHING}"
    );
    let house = House::open("[labels]\nregion = \"gz\"\n", &tasks);
    house.run_all();
    house.store.close();
    let all = json(&house, "/api/v1/tasks");
    assert_eq!(all["tasks"][0]["task"], "front");
    assert_eq!(all["tasks"][0]["targets"][0], format!("http://u:***@{page}/"));
    assert_eq!(all["tasks"][0]["labels"]["region"], "gz");
    assert_eq!((&all["tasks"][1]["protocol"], &all["tasks"][2]["module"]), (&"tcp".into(), &true.into()));
    let results = json(&house, "/api/v1/results?since=1h");
    assert_eq!(results["results"].as_array().map(Vec::len), Some(2));
    let failed = json(&house, "/api/v1/results?failed=true&task=port&limit=1");
    let failed = &failed["results"][0];
    assert_eq!((&failed["fault"], &failed["ok"]), (&"tcp.content.absent".into(), &false.into()));
    let one = json(&house, &format!("/api/v1/results/{}", failed["id"].as_str().expect("a run has an id")));
    assert!(one["evidence"].is_object(), "{one}");
    let top = json(&house, "/api/v1/top?by=team,protocol&since=1h");
    assert_eq!(top["groups"][0]["codes"][0]["count"], 1, "{top}");
    assert!(!results.to_string().contains("geheim"));
}

#[test]
fn what_means_nothing_to_the_api_is_named() {
    let house = House::open("", NOTHING);
    let rows = [
        ("/api/v1/results?limit=0", "`limit`: `0` is no whole number from 1 to 1000"),
        ("/api/v1/results?limit=a", "`limit`"),
        ("/api/v1/results?since=yesterday", "`since`: `yesterday` is neither a duration"),
        ("/api/v1/results?failed=maybe", "`failed`: `maybe` is neither true nor false"),
        ("/api/v1/results?before=7", "`before`: `7` is no id of a run"),
        ("/api/v1/results?sinse=1h", "`sinse` is no parameter"),
        ("/api/v1/results?task=a&task=b", "`task` stands twice"),
        ("/api/v1/results/7", "`7` is no id of a run"),
        ("/api/v1/top?since=1h&until=2h", "`since` is not before `until`"),
    ];
    for (path, words) in rows {
        let answer = house.get(path);
        assert_eq!((answer.status, answer.body.contains(words)), (400, true), "{path}: {answer:?}");
    }
    assert_eq!(house.get("/api/v1/results/01J00000000000000000000000").status, 404);
}

fn json(house: &House, path: &str) -> serde_json::Value {
    let answer = house.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    serde_json::from_str(&answer.body).expect("the API speaks JSON")
}
