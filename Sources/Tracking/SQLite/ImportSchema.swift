import GRDB

/// What imports have brought whole: the digest of what the source said then.
enum ImportSchema {
    static let migration = "import marks"

    static func register(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration(migration) { db in
            try db.execute(sql: "CREATE TABLE importMark (kind TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID")
        }
    }
}
