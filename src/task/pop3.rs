//! The table `[task.pop3]`.

use probes::pop3::Pop3;
use probes::spec::Spec;

use super::login::Login;
use super::service::{ENDS, Schemes, read_encryption, read_server};
use super::{Around, Specs, Target, tls};

const SCHEMES: Schemes = Schemes {
    plain: ("pop3", 110),
    tls: ("pop3s", 995),
    ends: ENDS,
    help: "the target is a server, as in pop3://host.example.com/, pop3s://host.example.com/ or host.example.com:110",
};

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let table = around.task.table("pop3");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let wanted = read_encryption(&table, "starttls");
    let login = Login::of_lines(&table);
    let probe = |target: &Target<'_>| {
        let server = read_server(target, &SCHEMES, wanted)?;
        let pop3 = Pop3 {
            endpoint: server.endpoint,
            encryption: server.encryption,
            credentials: server.login.credentials(&login, target, &table),
            tls: encryption.client.clone(),
        };
        Some((server.shown, Spec::Pop3(pop3)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}
