//! The incarnations that a space knows, with their short names.
//! What they may do is not kept here. The session calls it through `port`.

use super::event::SpaceStore;
use super::fail;
use super::text::{batch, join};
use super::values::{array, number, stored, text};
use crate::sql::{Row, Sql, SqlError};
use ebbtide_core::conflict::AuthorName;
use ebbtide_core::ids::{AuthorId, DeviceSeq, Incarnation, Millis, Seq};
use ebbtide_core::server::store::Author;
use ebbtide_core::value::Value;

impl<S: Sql + Clone> SpaceStore<S> {
    /// An incarnation that is registered.
    pub(super) fn find_author(&mut self, incarnation: Incarnation) -> Result<Option<Author>, SqlError> {
        let rows = self.sql.query(
            "SELECT id,incarnation,user,expected,applied_receipt,retired,cursor,seen_at FROM _ebb_author WHERE incarnation=?",
            &[Value::Blob(incarnation.0.to_vec())],
        )?;
        rows.into_iter().next().map(read).transpose()
    }

    /// The devices and users behind short names, ascending.
    pub(super) fn find_author_names(&mut self, ids: &[AuthorId]) -> Result<Vec<AuthorName>, SqlError> {
        let mut names = Vec::new();
        let mut left = ids;
        while !left.is_empty() {
            let (now, later) = left.split_at(batch(left.len(), 1));
            let wanted = join(now.iter().map(|_| "?"), ",");
            let params = now.iter().map(|id| stored(u64::from(id.0))).collect::<Result<Vec<_>, _>>()?;
            let sql = format!("SELECT id,incarnation,user FROM _ebb_author WHERE id IN ({wanted})");
            for row in self.sql.query(&sql, &params)? {
                let mut cells = row.into_iter();
                let id = u32::try_from(number(cells.next())?).map_err(|_| fail::corrupt("author"))?;
                let incarnation = Incarnation(array(cells.next())?);
                names.push(AuthorName { id: AuthorId(id), incarnation, user: text(cells.next())? });
            }
            left = later;
        }
        names.sort_by_key(|name| name.id);
        Ok(names)
    }

    /// Registers an incarnation under the next free short name.
    pub(super) fn register_author(
        &mut self,
        incarnation: Incarnation,
        user: &str,
        now: Millis,
    ) -> Result<Author, SqlError> {
        let params =
            [Value::Blob(incarnation.0.to_vec()), Value::Text(user.to_owned()), stored(now.0)?, stored(now.0)?];
        self.sql.execute(
            "INSERT INTO _ebb_author (incarnation,user,expected,applied_receipt,retired,registered_at,cursor,seen_at)
             VALUES (?,?,1,0,0,?,0,?)",
            &params,
        )?;
        self.find_author(incarnation)?.ok_or_else(|| fail::corrupt("an author that was just registered is missing"))
    }

    /// Writes back what changes of an author.
    pub(super) fn update_author(&mut self, author: &Author) -> Result<(), SqlError> {
        let params = [
            stored(author.expected.0)?,
            stored(author.applied_receipt.0)?,
            stored(u64::from(author.retired))?,
            stored(author.cursor.0)?,
            stored(author.seen_at.0)?,
            stored(u64::from(author.id.0))?,
        ];
        self.sql.execute(
            "UPDATE _ebb_author SET expected=?,applied_receipt=?,retired=?,cursor=?,seen_at=? WHERE id=?",
            &params,
        )?;
        Ok(())
    }
}

fn read(row: Row) -> Result<Author, SqlError> {
    let mut cells = row.into_iter();
    let id = u32::try_from(number(cells.next())?).map_err(|_| fail::corrupt("author"))?;
    Ok(Author {
        id: AuthorId(id),
        incarnation: Incarnation(array(cells.next())?),
        user: text(cells.next())?,
        expected: DeviceSeq(number(cells.next())?),
        applied_receipt: DeviceSeq(number(cells.next())?),
        retired: number(cells.next())? == 1,
        cursor: Seq(number(cells.next())?),
        seen_at: Millis(number(cells.next())?),
    })
}
