//! mod_alias: `Redirect` and `RedirectMatch` of a server, of locations and of folders as tables and rules.

use std::borrow::Cow;

use byway_core::condition::{Condition, InvalidCondition, Subject, Test};
use byway_core::dialect::{APACHE, APACHE_MATCH, Dialect, LetterCase, QueryPolicy};
use byway_core::rule::Action;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Target, What};

use super::alias::{Alias, AliasSource};
use super::expand::{self, Escaping, Known, Token, Unplaced, alias_tokens, tokens};
use super::folders::Folder;
use super::lines::bytes_of;
use super::lower::{Facts, Lowering, Phase, any, below, no_span, path_piece};
use super::pattern::{Shape, pattern, quoted, shape};
use super::site::{Place, Section};
use super::steps;

/// Tables of mod_alias, each with its rules and the section that they stand in.
pub(super) type AliasTables<'s> = Vec<(TableId, Vec<(Option<&'s Section>, &'s Alias)>)>;

/// What mod_alias says in locations and folders, as tables.
pub(super) struct Stage<'s> {
    pub(super) locations: AliasTables<'s>,
    /// By folder; none where no folder says anything.
    pub(super) dispatch: Option<TableId>,
    pub(super) folders: Vec<AliasTables<'s>>,
}

impl Stage<'_> {
    pub(super) fn first_location(&self) -> Option<TableId> {
        self.locations.first().map(|(table, _)| *table)
    }
}

impl Lowering<'_, '_> {
    /// Tables for what mod_alias says in locations and folders.
    pub(super) fn alias_stage<'s>(
        &mut self,
        locations: &[(Option<&'s Section>, &'s Alias)],
        aliased: &[&Folder<'s>],
        row: impl Fn(&Dialect) -> &'static Dialect + Copy,
    ) -> Stage<'s> {
        let locations = self.alias_tables(locations.iter().copied(), row);
        let dispatch = (!aliased.is_empty()).then(|| self.table(row(&APACHE), Order::Specific, ""));
        let of_folder =
            |folder: &&Folder<'s>| self.alias_tables(folder.aliases.iter().map(|alias| (None, *alias)), row);
        let folders = aliased.iter().map(of_folder).collect();
        Stage { locations, dispatch, folders }
    }

    /// Fills them.
    pub(super) fn fill_stage<'s>(
        &mut self,
        stage: &Stage<'s>,
        aliased: &[&Folder<'s>],
        after: TableId,
        facts: &Facts<'_>,
    ) {
        self.chain(&stage.locations, stage.dispatch.unwrap_or(after));
        self.fill_aliases(&stage.locations, facts);
        if let Some(dispatch) = stage.dispatch {
            self.reading.set_after(dispatch, After::Table(after));
            self.folder_aliases(aliased, &stage.folders, dispatch, after, facts);
        }
    }

    fn folder_aliases<'s>(
        &mut self,
        aliased: &[&Folder<'s>],
        tables: &[AliasTables<'s>],
        dispatch: TableId,
        after: TableId,
        facts: &Facts<'_>,
    ) {
        let first = |own: &AliasTables<'_>| own.first().map(|(table, _)| *table);
        let mut all: Vec<(&&Folder<'s>, &AliasTables<'s>)> = aliased.iter().zip(tables).collect();
        all.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.path.len()));
        for (folder, own) in all {
            let Some(table) = first(own) else { continue };
            match facts.file.map(|slot| is_below(slot, folder.path)) {
                Some(Ok(condition)) => {
                    self.push(dispatch, any(), &[condition], Action::Enter(table), &no_span());
                }
                _ => self.push(dispatch, below(folder.path), &[], Action::Enter(table), &no_span()),
            }
            self.fill_aliases(own, &Facts { folder: Some(folder.path), ..*facts });
            let parent = aliased
                .iter()
                .zip(tables)
                .filter(|(other, _)| folder.path.starts_with(other.path) && other.path.len() < folder.path.len())
                .max_by_key(|(other, _)| other.path.len());
            self.chain(own, parent.and_then(|(_, own)| first(own)).unwrap_or(after));
        }
    }

    /// Tables for rules of mod_alias in their order: patterns write captures in another way than prefixes their rest.
    pub(super) fn alias_tables<'s>(
        &mut self,
        aliases: impl Iterator<Item = (Option<&'s Section>, &'s Alias)>,
        row: impl Fn(&Dialect) -> &'static Dialect,
    ) -> AliasTables<'s> {
        let mut out: AliasTables<'s> = Vec::new();
        let dialect =
            |alias: &Alias| if matches!(alias.source, AliasSource::Pattern(_)) { &APACHE_MATCH } else { &APACHE };
        for (place, alias) in aliases {
            let is_same = |(_, run): &&mut (TableId, Vec<(_, &Alias)>)| {
                run.last().is_some_and(|(_, before)| dialect(before) == dialect(alias))
            };
            match out.last_mut().filter(is_same) {
                Some((_, run)) => run.push((place, alias)),
                None => out.push((self.table(row(dialect(alias)), Order::Listed, ""), vec![(place, alias)])),
            }
        }
        out
    }

    /// Tables one after the other, and what comes then.
    pub(super) fn chain(&mut self, tables: &AliasTables<'_>, last: TableId) {
        let next = tables.iter().skip(1).map(|(table, _)| *table).chain([last]);
        for ((table, _), next) in tables.iter().zip(next) {
            self.reading.set_after(*table, After::Table(next));
        }
    }

    pub(super) fn fill_aliases<'s>(&mut self, tables: &AliasTables<'s>, facts: &Facts<'_>) {
        for (table, run) in tables {
            for (place, alias) in run {
                self.alias(*table, alias, *place, facts);
            }
        }
    }

    pub(super) fn alias(&mut self, table: TableId, alias: &Alias, place: Option<&Section>, facts: &Facts<'_>) {
        let is_of_server = place.is_none() && facts.folder.is_none();
        let verdict = match is_of_server.then(|| proxied(alias, facts.proxied)).flatten() {
            Some(Proxied::Whole) => Err(
                "`ProxyPass` takes its path before it is asked: write `ProxyPass PATH !` above that, or the redirect into a `<Location>`".into(),
            ),
            Some(Proxied::Part) => {
                let why = Some("what `ProxyPass` takes of its paths goes there first");
                self.alias_rule(table, alias, place, facts).map(|other| other.or(why))
            }
            None => self.alias_rule(table, alias, place, facts),
        };
        self.say(&alias.span, &alias.text, verdict);
    }

    fn alias_rule(
        &mut self,
        table: TableId,
        alias: &Alias,
        place: Option<&Section>,
        facts: &Facts<'_>,
    ) -> Result<Option<&'static str>, Unplaced> {
        let (conditions, mut approximates) = match place {
            Some(section) => super::sections::inside(section, alias.source == AliasSource::Section, facts)?,
            None => (Some(Vec::new()), None),
        };
        let Some(conditions) = conditions else { return Ok(approximates) };
        let section = match (&alias.source, place.and_then(|section| section.places.last())) {
            (AliasSource::Section, Some(Place::If(_) | Place::Name(_) | Place::Disk(_) | Place::Folders(_))) => {
                AliasSource::Prefix("/".to_owned())
            }
            (AliasSource::Section, Some(Place::Path(path))) => AliasSource::Prefix(path.clone()),
            (AliasSource::Section, Some(Place::Pattern(text))) => AliasSource::Pattern(text.clone()),
            (AliasSource::Section, None) if place.is_some() => AliasSource::Prefix("/".to_owned()),
            (AliasSource::Section, None) => return Err("outside of a location a path is missing".into()),
            (other, _) => other.clone(),
        };
        let in_section = alias.source == AliasSource::Section;
        // The path of a section is of another line.
        let is_odd = alias.is_odd && !in_section;
        let bytes = |path: &str| if is_odd { bytes_of(path) } else { path.as_bytes().to_vec() };
        let source = match &section {
            AliasSource::Prefix(path) if !path.starts_with('/') => {
                return Ok(Some("its path begins without a slash: it fits nothing, here as there"));
            }
            AliasSource::Prefix(path) if path.ends_with('/') => {
                PathPattern::BytePrefix { prefix: bytes(path).into(), is_final: false }
            }
            AliasSource::Prefix(path) => PathPattern::Prefix(bytes(path.trim_end_matches('/')).into()),
            AliasSource::Pattern(text) => {
                let whole = alias.target.as_deref().is_some_and(|target| target.contains("$0"));
                match whole {
                    true => PathPattern::Regex(pattern(&format!("({text})"), LetterCase::Significant)),
                    false => shape(text).path(text, LetterCase::Significant),
                }
            }
            AliasSource::Section => return Err("outside of a location a path is missing".into()),
        };
        let is_of_server = facts.folder.is_none() && facts.file.is_none() && !facts.has_turned;
        if is_of_server && !facts.is_asked && !self.pages.is_empty() {
            self.answer_page(table, &Source::of_path(source.clone()), &conditions);
        }
        if let PathPattern::Regex(pattern) = &source {
            pattern.group_names().map_err(|error| format!("its pattern cannot be read here: {}", error.what))?;
        }
        let Some(target) = &alias.target else {
            let action = self.error(Phase::of(place.is_some() || facts.folder.is_some()), alias.status)?;
            self.push(table, Source::of_path(source), &conditions, action, &alias.span);
            return Ok(approximates);
        };
        let status =
            RedirectStatus::from_number(alias.status).ok_or("a status with which no client follows a Location")?;
        let mut parts: Vec<Known> = match (&section, in_section) {
            (AliasSource::Pattern(text), false) => {
                let groups = groups_of(text, target);
                alias_tokens(target)
                    .into_iter()
                    .flat_map(|token| match token {
                        Token::Text(text) => vec![Known::Text(text)],
                        Token::Group(number) => groups(number),
                        _ => Vec::new(),
                    })
                    .collect()
            }
            (AliasSource::Pattern(text), true) => located(target, text)?,
            (AliasSource::Prefix(_), true) if target.contains("%{") => {
                return Err("an expression in the target of a location".into());
            }
            (AliasSource::Prefix(path), false) if path.ends_with('/') => {
                vec![Known::Text(target.clone()), Known::Insert(What::Capture(0))]
            }
            (AliasSource::Prefix(_), false) => vec![Known::Text(target.clone()), Known::Insert(What::Tail(0))],
            _ => vec![Known::Text(target.clone())],
        };
        let begins_open = matches!(parts.first(), Some(Known::Insert(What::Capture(_))));
        let is_path = begins_open.then(|| super::beginnings::begins_with_slash(&parts)).flatten();
        if is_path.is_some() || matches!(parts.first(), Some(Known::Text(text)) if text.starts_with('/')) {
            steps::prepend_server(&mut parts, facts.name, facts.is_canonical);
            if facts.is_asked {
                parts.retain(|part| !matches!(part, Known::Insert(What::PortElse(_))));
            }
        } else if expand::scheme_of(&parts).is_none() {
            return Err("its target is neither a path nor a URL that we send anyone to".into());
        }
        let escaping =
            if matches!(section, AliasSource::Pattern(_)) && !in_section { Escaping::Path } else { Escaping::None };
        let placed = expand::place(&parts, escaping, false)?;
        let action = Action::Redirect {
            status: StatusByMethod::always(status),
            target: Target::of_pieces(placed.pieces),
            query: QueryPolicy::Replace,
        };
        let Some(is_path) = is_path else {
            self.push(table, Source::of_path(source), &conditions, action, &alias.span);
            return Ok(approximates.take());
        };
        // What is no path once it is put together is an error of the server's.
        let source = Source::of_path(source);
        self.push(table, source.clone(), &[conditions.as_slice(), &[is_path]].concat(), action, &alias.span);
        let error = self.error(Phase::of(place.is_some() || facts.folder.is_some()), 500)?;
        self.push(table, source, &conditions, error, &alias.span);
        Ok(approximates.take())
    }
}

/// How the groups of a `RedirectMatch` are taken.
fn groups_of(text: &str, target: &str) -> impl Fn(u8) -> Vec<Known> + use<> {
    let whole = target.contains("$0");
    let found = shape(text);
    let count = if text.contains('(') {
        pattern(text, LetterCase::Significant).group_names().map_or(0, |names| names.len()) as u8
    } else {
        0
    };
    let plain = !whole && !matches!(found, Shape::Other(_));
    move |number| match (whole, number) {
        (true, number) if number <= count => vec![Known::Insert(What::Capture(number))],
        (false, 1) if plain && count == 1 => vec![Known::Insert(What::Capture(0))],
        (false, number) if !plain && number > 0 && number <= count => vec![Known::Insert(What::Capture(number - 1))],
        _ => Vec::new(),
    }
}

/// The target of a `<LocationMatch>`: `%{env:MATCH_NAME}` is a group of its pattern.
pub(super) fn located(target: &str, text: &str) -> Result<Vec<Known>, Unplaced> {
    let names = pattern(text, LetterCase::Significant).group_names().map_err(|error| error.what)?;
    tokens(target)
        .into_iter()
        .map(|token| match token {
            Token::Text(text) => Ok(Known::Text(text)),
            Token::Variable(name) => {
                let group = name.get(..10).filter(|head| head.eq_ignore_ascii_case("env:MATCH_")).map(|_| &name[10..]);
                let at = group.and_then(|group| names.iter().position(|name| name.eq_ignore_ascii_case(group)));
                match at {
                    Some(at) => Ok(Known::Insert(What::Capture(at as u8))),
                    None => Err(Cow::Borrowed("an expression in the target of a location")),
                }
            }
            _ => Err(Cow::Borrowed("an expression in the target of a location")),
        })
        .collect()
}

/// Whether a slot holds a path in a folder.
fn is_below(slot: u16, folder: &str) -> Result<Condition, InvalidCondition> {
    let text = format!("^{}(?:/|$)", quoted(folder.trim_end_matches('/')));
    let held = Subject::Text(vec![path_piece(What::Slot(slot))]);
    Condition::new(held, Test::Regex(pattern(&text, LetterCase::Significant)), false)
}

/// What `ProxyPass` takes of a rule's paths.
enum Proxied {
    Whole,
    Part,
}

fn proxied(alias: &Alias, taken: &[(String, bool)]) -> Option<Proxied> {
    let is_below = |path: &str, of: &str| {
        path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || of.ends_with('/'))
    };
    let AliasSource::Prefix(path) = &alias.source else {
        return taken.iter().any(|(_, takes)| *takes).then_some(Proxied::Part);
    };
    for (of, takes) in taken {
        if is_below(path, of) {
            return takes.then_some(Proxied::Whole);
        }
        if *takes && is_below(of, path) {
            return Some(Proxied::Part);
        }
    }
    None
}
