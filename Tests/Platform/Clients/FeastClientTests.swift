import SlipwayCore
import SlipwayFeatures
import Testing

@testable import SlipwayClients

@Suite("What Feast's feature server answers")
struct FeastClientTests {
    /// As Feast 0.67 answered for the entities 1, 3 and 99, of which the last does not exist.
    private static let real = """
        {"results":[{"values":[1,3,99],"statuses":["PRESENT","PRESENT","PRESENT"],"event_timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]},\
        {"values":[100.0,null,null],"statuses":["PRESENT","PRESENT","PRESENT"],"event_timestamps":["2026-11-01T00:00:00Z","2026-11-01T00:00:00Z","1970-01-01T00:00:00Z"]},\
        {"values":[1.0,3.0,null],"statuses":["PRESENT","PRESENT","PRESENT"],"event_timestamps":["2026-11-01T00:00:00Z","2026-11-01T00:00:00Z","1970-01-01T00:00:00Z"]}],\
        "metadata":{"feature_names":["patient_id","area","radius"]}}
        """

    @Test("Columns are found by their names; null is no value, whatever its status; 1970 is no time")
    func reads() throws {
        let answer = try FeastClient.read(Array(Self.real.utf8), count: 3)
        #expect(answer.columns["area"]?.map { $0?.number } == [100, nil, nil])
        #expect(answer.columns["radius"]?.map { $0?.number } == [1, 3, nil])
        #expect(answer.columns["radius"]?[0]?.time == (try Timestamp("2026-11-01T00:00:00Z")))
        #expect(answer.columns["patient_id"]?[0]?.time == nil)
    }

    @Test("A status that says so is no value, even with one beside it", arguments: ["NULL_VALUE", "NOT_FOUND", "INVALID"])
    func statuses(status: String) throws {
        let text = #"{"results":[{"values":[5],"statuses":["\#(status)"],"event_timestamps":[]}],"metadata":{"feature_names":["a"]}}"#
        #expect(try FeastClient.read(Array(text.utf8), count: 1).columns["a"] == [nil])
    }

    @Test("An answer of another shape is refused", arguments: [
        "", "[]", "{}", #"{"results":[],"metadata":{"feature_names":["a"]}}"#,
        #"{"results":[{"values":[1,2]}],"metadata":{"feature_names":["a"]}}"#, #"{"results":[{}],"metadata":{"feature_names":["a"]}}"#,
    ])
    func refuses(text: String) {
        #expect(throws: PlatformError.self) { try FeastClient.read(Array(text.utf8), count: 1) }
    }
}
