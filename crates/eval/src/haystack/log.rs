//! Lines of a server's log. Small models take one number for another: beside the times there are
//! few, and small ones.

use super::choose;
use minference_attention::synthetic::Random;

const SERVICES: [&str; 12] = [
    "gateway",
    "billing",
    "search",
    "mailer",
    "scheduler",
    "storage",
    "reports",
    "catalog",
    "sessions",
    "metrics",
    "backup",
    "printing",
];
const OBJECTS: [&str; 16] = [
    "order", "invoice", "session", "upload", "report", "message", "shipment", "backup", "ticket", "booking",
    "refund", "picture", "contract", "parcel", "draft", "receipt",
];
const EVENTS: [&str; 10] = [
    "was saved",
    "was sent to the customer",
    "is waiting for approval",
    "was moved to the archive",
    "was opened again",
    "has no owner yet",
    "was checked and found correct",
    "was rejected by the validator",
    "was printed twice",
    "is older than a week",
];
const PEOPLE: [&str; 14] = [
    "anna", "bruno", "clara", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karin", "leo",
    "marta", "nils",
];
const PAGES: [&str; 10] = [
    "/orders",
    "/login",
    "/search",
    "/reports/weekly",
    "/profile",
    "/cart",
    "/help",
    "/invoices",
    "/status",
    "/calendar",
];

/// What a service says.
pub(super) fn entry(random: &mut Random) -> String {
    let service = choose(&SERVICES, random);
    match random.below(8) {
        0 | 1 => {
            let (object, person) = (choose(&OBJECTS, random), choose(&PEOPLE, random));
            format!("INFO {service}: {object} of {person} {}", choose(&EVENTS, random))
        }
        2 | 3 => {
            let page = choose(&PAGES, random);
            format!("INFO {service}: GET {page} answered in {} ms", 2 + random.below(90))
        }
        4 => format!("INFO {service}: user {} signed in", choose(&PEOPLE, random)),
        5 => {
            let person = choose(&PEOPLE, random);
            format!("INFO {service}: user {person} changed {} settings", 1 + random.below(9))
        }
        6 => {
            let kind = choose(&["disk", "memory", "queue", "cache"], random);
            format!("WARN {service}: {kind} is {} percent full", 50 + random.below(49))
        }
        _ => format!("DEBUG {service}: {} jobs done, {} left", 1 + random.below(90), random.below(40)),
    }
}

/// A fact, as a service says it.
pub(super) fn fact(sentence: &str) -> String {
    let sentence =
        sentence.strip_prefix("The ").map_or_else(|| sentence.into(), |rest| format!("the {rest}"));
    format!("INFO notice: {sentence}")
}

/// With the time, which goes on by some seconds from line to line.
pub(super) fn line(at: usize, text: &str) -> String {
    let seconds = 6 * 3600 + at * 37 + at * at % 17;
    let (day, hour, minute) = (1 + seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("day {day} {hour:02}:{minute:02}:{:02} {text}\n", seconds % 60)
}
