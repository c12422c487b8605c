//! The table `[task.pop3]`.

use probes::pop3::Pop3;
use probes::spec::Spec;

use super::login::Login;
use super::service::{Schemes, read_encryption, read_server};
use super::{Around, Specs, Target, tls};

const SCHEMES: Schemes = Schemes { plain: ("pop3", 110), tls: ("pop3s", 995) };

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let table = around.task.table("pop3");
    let Some(table) = table else { return Specs { probes: Vec::new(), trust: None } };
    let wanted = read_encryption(&table, "starttls");
    let login = Login::of_table(&table);
    let probe = |target: &Target<'_>| {
        let server = read_server(target, &SCHEMES, wanted)?;
        server.has_no_path(target);
        let pop3 = Pop3 {
            endpoint: server.endpoint,
            encryption: server.encryption,
            credentials: server.login.join_for_commands(&login, target, "pop3"),
            tls: encryption.client.clone(),
        };
        Some((server.shown, Spec::Pop3(pop3)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}
