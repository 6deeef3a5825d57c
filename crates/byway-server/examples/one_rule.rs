//! Serves one redirect, `/old` to `https://t.test/new`, on the address given (default `127.0.0.1:8307`) until it is told to stop.

use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Rule, RuleSet};
use byway_server::signals::{self, Then};
use byway_server::{ListenAddr, Listener, Live, Server, Settings};

fn rules() -> Result<RuleSet, Box<dyn std::error::Error>> {
    let mut builder = Builder::new(1);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    let source = Source::parse("/old").map_err(|wrong| format!("{wrong:?}"))?;
    let target = Target::parse("https://t.test/new", &source).map_err(|wrong| format!("{wrong:?}"))?;
    let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
    let rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
    builder.push(table, &rule).map_err(|wrong| format!("{wrong:?}"))?;
    Ok(builder.finish())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = arguments.first().map_or(ListenAddr::DEFAULT, String::as_str).parse::<ListenAddr>()?;
    let threads = arguments.get(1).map_or(Ok(0), |threads| threads.parse())?;
    let settings = Settings { threads, ..Settings::default() };
    let live = Live::new(rules()?, settings.threads());
    let listener = Listener::open(&address, settings.threads())?;
    let listening = listener.address().clone();
    let handle = Server::start(settings, live, vec![listener])?;
    eprintln!("listening on {listening}");
    let signals = signals::watch(move |_| {
        handle.stop();
        Then::End
    })?;
    signals.join().map_err(|_| "the signal thread panicked")?;
    Ok(())
}
