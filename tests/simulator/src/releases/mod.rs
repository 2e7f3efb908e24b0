//! The releases of the simulated app: which schema each has, and how what one of them says reads in the terms of the last.
//! Who runs which release when is the world's business.
//! Used by the world, the judge and the workload.

mod lift;
pub mod piece;
pub mod rule;

pub use lift::Lift;
pub use piece::Piece;

use crate::host::SpaceHost;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::ids::SchemaVersion;
use ebbtide_store::schema::Schema;
use std::rc::Rc;

/// Steps, each with the schema version that it led to.
type Steps = Vec<(Piece, u32)>;

/// All releases, the first one first.
#[derive(Debug)]
pub struct Releases(Vec<Release>);

/// One of them.
#[derive(Debug)]
pub struct Release {
    /// Its schema.
    pub schema: Schema,
    /// Its synced tables.
    pub catalogue: Rc<Catalogue>,
    /// The steps that led to it from the first release.
    pub steps: Steps,
    /// How its rows and changes read in the last release.
    pub lift: Lift,
    /// The tables of the last release under its rules.
    pub rules: Rc<Catalogue>,
}

impl Releases {
    /// An app that begins with this schema, in JSON, and takes these steps from release to release.
    pub fn growing(first: serde_json::Value, steps: &[Vec<Piece>]) -> Self {
        let parsed = |json: &serde_json::Value| {
            serde_json::from_value::<Schema>(json.clone()).expect("it has the shape of a schema")
        };
        let mut json = first;
        if steps.iter().flatten().any(|piece| matches!(piece, Piece::Joins | Piece::Keeps)) {
            json["migrations"].as_array_mut().expect("a list").push(piece::SETTING.into());
        }
        let mut all = vec![(parsed(&json), Vec::new())];
        let mut taken = Steps::new();
        for pieces in steps {
            for piece in pieces {
                let before: Vec<Piece> = taken.iter().map(|(piece, _)| *piece).collect();
                let migrations = json["migrations"].as_array_mut().expect("a list");
                migrations.extend(piece.migrations(&before));
                taken.push((*piece, migrations.len() as u32));
                piece.rules(&mut json["tables"], &before);
            }
            all.push((parsed(&json), taken.clone()));
        }
        Self::of(all)
    }

    fn of(all: Vec<(Schema, Steps)>) -> Self {
        let catalogues: Vec<Rc<Catalogue>> =
            all.iter().map(|(schema, _)| SpaceHost::open(schema).catalogue()).collect();
        let last = (catalogues[all.len() - 1].clone(), all[all.len() - 1].1.clone());
        let release = |((schema, steps), catalogue): ((Schema, Steps), Rc<Catalogue>)| {
            let later: Vec<Piece> = last.1[steps.len()..].iter().map(|(piece, _)| *piece).collect();
            let lift = Lift::new(&catalogue, &last.0, &later);
            let rules = lift.ruled(&catalogue, &last.0).into();
            Release { schema, catalogue, steps, lift, rules }
        };
        Self(all.into_iter().zip(catalogues).map(release).collect())
    }

    /// One of them.
    pub fn get(&self, release: usize) -> &Release {
        &self.0[release]
    }

    /// The place of the last.
    pub fn last(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether a table joins the synced ones at some time.
    pub fn joins(&self) -> bool {
        self.0[self.last()].keeps_settings()
    }

    /// The tables of the last, in whose terms everything is judged.
    pub fn catalogue(&self) -> Rc<Catalogue> {
        self.0[self.last()].catalogue.clone()
    }

    /// The release with this schema version.
    pub fn of_version(&self, version: SchemaVersion) -> Option<&Release> {
        self.0.iter().find(|release| release.catalogue.version == version)
    }

    /// Whether some release changes a rule by itself.
    pub fn changes_rules(&self) -> bool {
        self.0[self.last()].steps.iter().any(|(piece, _)| piece.is_rule())
    }

    /// The rules of all releases.
    pub fn rules(&self) -> impl Iterator<Item = &Rc<Catalogue>> {
        self.0.iter().map(|release| &release.rules)
    }

    /// The steps from one release to a later one.
    pub fn between(&self, from: usize, to: usize) -> &[(Piece, u32)] {
        &self.0[to].steps[self.0[from].steps.len()..]
    }
}

impl Release {
    /// Whether the app has taken this step.
    pub fn has(&self, piece: Piece) -> bool {
        self.steps.iter().any(|(taken, _)| *taken == piece)
    }

    /// Whether the table that joins is kept in step.
    pub fn keeps_settings(&self) -> bool {
        self.catalogue.table_id("setting").is_some()
    }

    /// The same app with one more migration that cannot run, at this place among them.
    pub fn broken(&self, at: usize) -> Schema {
        let mut schema = self.schema.clone();
        schema.migrations.insert(at, ebbtide_store::schema::Migration::Both(BROKEN.into()));
        schema
    }
}

/// It takes a key twice.
const BROKEN: &str = "UPDATE tally SET low = 0; INSERT INTO left_half (id) VALUES ('twice'), ('twice')";
