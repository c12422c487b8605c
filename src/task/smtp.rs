//! The table `[task.smtp]`.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use probes::smtp::Smtp;
use probes::spec::Spec;

use super::login::Login;
use super::service::{ENDS, Schemes, read_encryption, read_server};
use super::{Around, Specs, Target, tls};

const SCHEMES: Schemes = Schemes {
    plain: ("smtp", 25),
    tls: ("smtps", 465),
    ends: ENDS,
    help: "the target is a server, as in smtp://host.example.com/, smtps://host.example.com/ or host.example.com:25",
};

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let table = around.task.table("smtp");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let wanted = read_encryption(&table, "starttls");
    let login = Login::of_lines(&table);
    // Malformed addresses have a code in the book: they are judged by the run.
    let (from, to) = (table.text("from").map(|text| text.value), table.text("to").map(|text| text.value));
    let probe = |target: &Target<'_>| {
        let server = read_server(target, &SCHEMES, wanted)?;
        let credentials = server.login.credentials(&login, target, &table);
        if let Some(credentials) = &credentials {
            let proof = format!("\0{}\0{}", credentials.username, credentials.password.expose());
            target.item.document().hide(&BASE64_STANDARD_NO_PAD.encode(proof));
        }
        let smtp = Smtp {
            endpoint: server.endpoint,
            encryption: server.encryption,
            credentials,
            from: from.clone(),
            to: to.clone(),
            tls: encryption.client.clone(),
        };
        Some((server.shown, Spec::Smtp(smtp)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}
