import GRDB
public import SlipwayCore
public import SlipwayTracking

extension SQLiteTrackingStore {
    public func aliasMoves(of model: String, alias: String?, limit: Int, before: Int64?) async throws -> AliasHistory {
        try await read { db in
            try Self.checkKnown(db, model)
            let rows = try Row.fetchAll(
                try db.cachedStatement(sql: """
                    SELECT * FROM aliasMove WHERE model = ?\(alias == nil ? "" : " AND alias = ?") AND sequence < ?
                    ORDER BY sequence DESC LIMIT ?
                    """),
                arguments: StatementArguments([model] + (alias.map { [$0] } ?? [])) + [before ?? .max, limit + 1]
            )
            let moves = try rows.prefix(limit).map(Self.move)
            return AliasHistory(
                model: model,
                recordedSince: try Self.began(db),
                moves: moves,
                nextPageToken: rows.count > limit ? moves.last.map { "\($0.sequence)" } : nil
            )
        }
    }

    public func aliases(of model: String, alias: String?, asOf time: Timestamp, limit: Int, after: String?) async throws -> AliasSnapshot {
        try await read { db in
            try Self.checkKnown(db, model)
            // By sequence, not by time: after a clock that was set back, the last move still counts.
            let rows = try Row.fetchAll(
                try db.cachedStatement(sql: """
                    SELECT * FROM aliasMove WHERE sequence IN (
                      SELECT max(sequence) FROM aliasMove
                      WHERE model = ? AND alias \(alias == nil ? ">" : "=") ? AND time <= ? GROUP BY alias
                    ) AND toVersion IS NOT NULL ORDER BY alias LIMIT ?
                    """),
                arguments: [model, alias ?? after ?? "", time.milliseconds, limit + 1]
            )
            let aliases = try rows.prefix(limit).map(Self.move)
            return AliasSnapshot(
                model: model,
                asOf: time,
                recordedSince: try Self.began(db),
                aliases: aliases,
                nextPageToken: rows.count > limit ? aliases.last?.alias : nil
            )
        }
    }

    // MARK: Writing

    /// Points the alias at a version, or at none, and writes it down: the only way in which an alias moves.
    ///
    /// What points there already is left alone and leaves no trace.
    ///
    /// - Parameter why: The event that takes the alias along, such as a deletion; the caller's reason follows it.
    func moveAlias(
        _ db: Database,
        model: (id: Int64, name: String),
        alias: String,
        to version: Int64?,
        origin: ChangeOrigin,
        why: String = ""
    ) throws {
        try protected().check(alias, of: model.name, actor: origin.actor)
        let before = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT version FROM alias WHERE model = ? AND alias = ?"), arguments: [model.id, alias])
        guard before != version else { return }
        if let version {
            try db.cachedStatement(sql: "INSERT INTO alias (model, alias, version) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version").execute(arguments: [model.id, alias, version])
        } else {
            try db.cachedStatement(sql: "DELETE FROM alias WHERE model = ? AND alias = ?").execute(arguments: [model.id, alias])
        }
        try record(db, model: model.name, alias: alias, from: before, to: version, origin: origin, why: why)
    }

    /// Takes away the aliases of a model, all or those of one version, before what they point at goes.
    func removeAliases(_ db: Database, model: (id: Int64, name: String), version: Int64? = nil, origin: ChangeOrigin, why: String) throws {
        let aliases = try String.fetchAll(
            try db.cachedStatement(sql: "SELECT alias FROM alias WHERE model = ?\(version == nil ? "" : " AND version = ?") ORDER BY alias"),
            arguments: StatementArguments([model.id] + (version.map { [$0] } ?? []))
        )
        for alias in aliases { try moveAlias(db, model: model, alias: alias, to: nil, origin: origin, why: why) }
    }

    /// Writes down that a model's aliases go on under another name.
    func renameAliases(_ db: Database, model: (id: Int64, name: String), to newName: String, origin: ChangeOrigin) throws {
        let rows = try Row.fetchAll(try db.cachedStatement(sql: "SELECT alias, version FROM alias WHERE model = ? ORDER BY alias"), arguments: [model.id])
        for row in rows {
            let alias: String = row["alias"]
            let version: Int64 = row["version"]
            for name in [model.name, newName] { try protected().check(alias, of: name, actor: origin.actor) }
            try record(db, model: model.name, alias: alias, from: version, to: nil, origin: origin, why: "renamed to '\(newName)'")
            try record(db, model: newName, alias: alias, from: nil, to: version, origin: origin, why: "renamed from '\(model.name)'")
        }
    }

    private func record(
        _ db: Database,
        model: String,
        alias: String,
        from: Int64?,
        to: Int64?,
        origin: ChangeOrigin,
        why: String
    ) throws {
        try db.cachedStatement(sql: """
                INSERT INTO aliasMove (model, alias, fromVersion, toVersion, time, actor, actorKind, reason, gitCommit, proof)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """).execute(arguments: [
                model, alias, from, to, clock.now.milliseconds, origin.actor.name, origin.actor.kind.rawValue,
                [why, origin.reason].filter { !$0.isEmpty }.joined(separator: ": "), origin.commit?.text, origin.proof?.text,
            ])
    }

    // MARK: Rows

    private static func checkKnown(_ db: Database, _ model: String) throws {
        let isKnown = try Bool.fetchOne(
            try db.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM registeredModel WHERE name = ?) OR EXISTS (SELECT 1 FROM aliasMove WHERE model = ?)"),
            arguments: [model, model]
        )
        guard isKnown == true else {
            throw PlatformError(.notFound, "model '\(model)' is not in the registry, and no alias of it ever was")
        }
    }

    private static func began(_ db: Database) throws -> Timestamp {
        guard let began = try Int64.fetchOne(try db.cachedStatement(sql: "SELECT began FROM aliasLedger WHERE id = 1")) else {
            throw PlatformError(.corrupt, "the alias ledger has no beginning", remedy: "restore the tracking database from a backup")
        }
        return Timestamp(milliseconds: began)
    }

    private static func move(_ row: Row) throws -> AliasMove {
        let commit: String? = row["gitCommit"]
        let proof: String? = row["proof"]
        guard let kind = ChangeOrigin.Actor.Kind(rawValue: row["actorKind"]) else {
            throw PlatformError(.corrupt, "move \(row["sequence"] as Int64) of the alias ledger was written by a newer version of slipway")
        }
        return AliasMove(
            sequence: row["sequence"],
            model: row["model"],
            alias: row["alias"],
            from: row["fromVersion"],
            to: row["toVersion"],
            time: Timestamp(milliseconds: row["time"]),
            origin: ChangeOrigin(
                actor: .init(name: row["actor"], kind: kind),
                reason: row["reason"],
                commit: try commit.map { try CommitID($0) },
                proof: try proof.map { try Digest($0) }
            )
        )
    }
}
