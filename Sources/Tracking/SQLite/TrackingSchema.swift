import GRDB

/// The schema, as steps that are only ever added.
enum TrackingSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 experiments and runs") { try $0.execute(sql: experimentsAndRuns) }
        migrator.registerMigration("2 logged models") { try $0.execute(sql: loggedModels) }
        migrator.registerMigration("3 registry") { try $0.execute(sql: registry) }
        AliasLedgerSchema.register(in: &migrator)
        migrator.registerMigration("5 datasets by name") { try $0.execute(sql: datasetsByName) }
        ImportSchema.register(in: &migrator)
        return migrator
    }

    private static let experimentsAndRuns = """
        CREATE TABLE experiment (
          id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, artifactLocation TEXT NOT NULL,
          stage TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);
        CREATE TABLE experimentTag (
          experiment INTEGER NOT NULL REFERENCES experiment(id), key TEXT NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (experiment, key)) WITHOUT ROWID;
        CREATE TABLE run (
          id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, experiment INTEGER NOT NULL REFERENCES experiment(id),
          name TEXT NOT NULL, user TEXT NOT NULL, status TEXT NOT NULL, started INTEGER NOT NULL, ended INTEGER,
          stage TEXT NOT NULL, artifactURI TEXT NOT NULL);
        CREATE INDEX runByExperiment ON run (experiment, stage, started DESC, uuid);
        CREATE TABLE param (
          run INTEGER NOT NULL REFERENCES run(id), key TEXT NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (run, key)) WITHOUT ROWID;
        CREATE INDEX paramByValue ON param (key, value, run);
        CREATE TABLE runTag (
          run INTEGER NOT NULL REFERENCES run(id), key TEXT NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (run, key)) WITHOUT ROWID;
        CREATE INDEX runTagByValue ON runTag (key, value, run);
        -- Each value once, however often a client sends it; a history is read from the key, in its order.
        -- NaN has no place in a REAL column: it is 0 here and marked, and NULL in latestMetric.
        CREATE TABLE metric (
          run INTEGER NOT NULL REFERENCES run(id), key TEXT NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL,
          value REAL NOT NULL, isNaN INTEGER NOT NULL, model TEXT NOT NULL,
          PRIMARY KEY (run, key, timestamp, step, value, isNaN, model)) WITHOUT ROWID;
        CREATE INDEX metricOfModel ON metric (model, key) WHERE model <> '';
        CREATE TABLE latestMetric (
          run INTEGER NOT NULL REFERENCES run(id), key TEXT NOT NULL, value REAL, timestamp INTEGER NOT NULL,
          step INTEGER NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID;
        CREATE INDEX latestMetricByValue ON latestMetric (key, value, run);
        CREATE TABLE runInput (
          run INTEGER NOT NULL REFERENCES run(id), name TEXT NOT NULL, digest TEXT NOT NULL, json TEXT NOT NULL,
          PRIMARY KEY (run, name, digest)) WITHOUT ROWID;
        CREATE TABLE runModel (
          run INTEGER NOT NULL REFERENCES run(id), model TEXT NOT NULL, isOutput INTEGER NOT NULL,
          step INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (run, model, isOutput)) WITHOUT ROWID;
        """

    private static let loggedModels = """
        CREATE TABLE loggedModel (
          id TEXT PRIMARY KEY, experiment INTEGER NOT NULL REFERENCES experiment(id), name TEXT NOT NULL,
          status TEXT NOT NULL, artifactURI TEXT NOT NULL, sourceRun TEXT, modelType TEXT,
          created INTEGER NOT NULL, updated INTEGER NOT NULL, stage TEXT NOT NULL) WITHOUT ROWID;
        CREATE INDEX loggedModelByExperiment ON loggedModel (experiment, stage, created DESC);
        CREATE INDEX loggedModelByRun ON loggedModel (sourceRun);
        CREATE TABLE loggedModelTag (
          model TEXT NOT NULL REFERENCES loggedModel(id), key TEXT NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (model, key)) WITHOUT ROWID;
        CREATE TABLE loggedModelParam (
          model TEXT NOT NULL REFERENCES loggedModel(id), key TEXT NOT NULL, value TEXT NOT NULL,
          PRIMARY KEY (model, key)) WITHOUT ROWID;
        """

    private static let registry = """
        CREATE TABLE registeredModel (
          id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL,
          created INTEGER NOT NULL, updated INTEGER NOT NULL);
        CREATE TABLE registeredModelTag (
          model INTEGER NOT NULL REFERENCES registeredModel(id) ON DELETE CASCADE, key TEXT NOT NULL,
          value TEXT NOT NULL, PRIMARY KEY (model, key)) WITHOUT ROWID;
        CREATE TABLE modelVersion (
          id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES registeredModel(id) ON DELETE CASCADE,
          version INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, description TEXT NOT NULL,
          user TEXT NOT NULL, stage TEXT NOT NULL, source TEXT NOT NULL, storageLocation TEXT NOT NULL,
          runID TEXT NOT NULL, runLink TEXT NOT NULL, status TEXT NOT NULL, loggedModel TEXT,
          isDeleted INTEGER NOT NULL DEFAULT 0, UNIQUE (model, version));
        CREATE INDEX modelVersionByRun ON modelVersion (runID);
        CREATE TABLE modelVersionTag (
          version INTEGER NOT NULL REFERENCES modelVersion(id) ON DELETE CASCADE, key TEXT NOT NULL,
          value TEXT NOT NULL, PRIMARY KEY (version, key)) WITHOUT ROWID;
        CREATE INDEX modelVersionTagByValue ON modelVersionTag (key, value, version);
        CREATE TABLE alias (
          model INTEGER NOT NULL REFERENCES registeredModel(id) ON DELETE CASCADE, alias TEXT NOT NULL,
          version INTEGER NOT NULL, PRIMARY KEY (model, alias)) WITHOUT ROWID;
        """

    /// A search by a dataset finds it without looking at every run.
    private static let datasetsByName = """
        CREATE INDEX runInputByName ON runInput (name, run);
        CREATE INDEX runInputByDigest ON runInput (digest, run);
        """
}
