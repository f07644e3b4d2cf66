import GRDB
import GRDBSQLite
import SlipwayCore
import SlipwayTracking

extension Statement {
    /// Binds and runs `INSERT … (run, key, timestamp, step, value, isNaN, model)` by SQLite's own functions.
    ///
    /// A batch has a thousand metrics: GRDB's lists of arguments would take longer than SQLite does.
    func insert(_ metric: Metric, run: Int64) throws {
        let isNaN = metric.value.isNaN
        sqlite3_bind_int64(sqliteStatement, 1, run)
        bind(metric.key, at: 2)
        sqlite3_bind_int64(sqliteStatement, 3, metric.timestamp.milliseconds)
        sqlite3_bind_int64(sqliteStatement, 4, metric.step)
        sqlite3_bind_double(sqliteStatement, 5, isNaN ? 0 : metric.value)
        sqlite3_bind_int64(sqliteStatement, 6, isNaN ? 1 : 0)
        bind(metric.modelID ?? "", at: 7)
        let code = sqlite3_step(sqliteStatement)
        sqlite3_reset(sqliteStatement)
        sqlite3_clear_bindings(sqliteStatement)
        guard code == SQLITE_DONE else {
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: String(cString: sqlite3_errmsg(sqlite3_db_handle(sqliteStatement))), sql: sql)
        }
    }

    private func bind(_ text: String, at index: Int32) {
        // SQLite copies the bytes before the call returns.
        let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var text = text
        text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                _ = sqlite3_bind_text(sqliteStatement, index, characters.baseAddress ?? Self.empty, Int32(characters.count), copies)
            }
        }
    }

    /// Without a place, SQLite would take an empty text for NULL.
    nonisolated(unsafe) private static let empty: UnsafePointer<CChar> = {
        let place = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        place.initialize(to: 0)
        return UnsafePointer(place)
    }()
}
