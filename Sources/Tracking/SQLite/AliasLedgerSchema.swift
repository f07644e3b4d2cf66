import GRDB

/// The alias ledger: rows are only ever added.
///
/// Triggers refuse every other statement, also from a shell that opens the file. `INSERT OR REPLACE` is
/// refused by a trigger of its own, as it deletes without asking the one for deletions.
enum AliasLedgerSchema {
    static let migration = "4 alias ledger"

    static func register(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration(migration) { db in
            try db.execute(sql: tables)
            try db.execute(sql: triggers)
            try db.execute(sql: seed)
        }
    }

    private static let tables = """
        -- Models go by their names: a ledger outlives what it tells of.
        CREATE TABLE aliasMove (
          sequence INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, alias TEXT NOT NULL,
          fromVersion INTEGER, toVersion INTEGER, time INTEGER NOT NULL, actor TEXT NOT NULL,
          actorKind TEXT NOT NULL, reason TEXT NOT NULL, gitCommit TEXT, proof TEXT,
          CHECK (fromVersion IS NOT toVersion));
        CREATE INDEX aliasMoveByModel ON aliasMove (model, sequence);
        CREATE INDEX aliasMoveByAlias ON aliasMove (model, alias, sequence, time);
        CREATE TABLE aliasLedger (id INTEGER PRIMARY KEY CHECK (id = 1), began INTEGER NOT NULL);
        """

    private static let triggers = """
        CREATE TRIGGER aliasMoveIsNotUpdated BEFORE UPDATE ON aliasMove
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        CREATE TRIGGER aliasMoveIsNotDeleted BEFORE DELETE ON aliasMove
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        CREATE TRIGGER aliasMoveIsNotReplaced BEFORE INSERT ON aliasMove
          WHEN EXISTS (SELECT 1 FROM aliasMove WHERE sequence = NEW.sequence)
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        CREATE TRIGGER aliasLedgerIsNotUpdated BEFORE UPDATE ON aliasLedger
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        CREATE TRIGGER aliasLedgerIsNotDeleted BEFORE DELETE ON aliasLedger
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        CREATE TRIGGER aliasLedgerIsNotReplaced BEFORE INSERT ON aliasLedger
          WHEN EXISTS (SELECT 1 FROM aliasLedger WHERE id = NEW.id)
          BEGIN SELECT RAISE(ABORT, 'the alias ledger is append-only'); END;
        """

    /// The ledger of an older database begins with the aliases as they are found.
    private static let seed = """
        INSERT INTO aliasLedger (id, began) VALUES (1, CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER));
        INSERT INTO aliasMove (model, alias, fromVersion, toVersion, time, actor, actorKind, reason)
          SELECT registeredModel.name, alias.alias, NULL, alias.version, aliasLedger.began, 'server', 'server', 'found at upgrade'
          FROM alias JOIN registeredModel ON registeredModel.id = alias.model JOIN aliasLedger
          ORDER BY registeredModel.name, alias.alias;
        """
}
