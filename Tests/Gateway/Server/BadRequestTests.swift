import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import Testing

@Suite("Bad requests")
struct BadRequestTests {
    @Test(
        "A broken body is 400 and says what is wrong",
        arguments: [
            ("", "expected an object"),
            ("[]", "expected an object"),
            (#"{"instances":[[1,2,3]]"#, "expected ',' or '}'"),
            (#"{"instances":[[1,2,3]"#, "expected ',' or ']'"),
            (#"{"instances":[[1,2,3],]}"#, "expected a value"),
            (#"{"instances":[[1,2,3]]}x"#, "something follows"),
            (#"{"instances":[[1,2,nope]]}"#, "'nope' is not a value"),
            (#"{"instances":[[1,2,1.2.3]]}"#, "'instances' cannot be read as FP32"),
            (#"{"instances":[[1,2,"x"]]}"#, "'instances' cannot be read as FP32"),
            (#"{"instances":[[1,2,true]]}"#, "'instances' cannot be read as FP32"),
            (#"{"instances":[[1,2,null]]}"#, "row 0"),
            (#"{"instances":[[1,2,3],{"a":1}]}"#, "row 1"),
            (#"{"instances":[[1,2,3],[1,2]]}"#, "row 1 of 'instances' has 2 values where others have 3"),
            (#"{"instances":[[1,2,3],4]}"#, "row 1 of 'instances' is not nested"),
            (#"{"instances":[]}"#, "empty list"),
            (#"{"instances":{"X":[1]}}"#, "'instances' must be a list of rows"),
            (#"{"instances":[1,2,3]}"#, "unexpected shape"),
            (#"{"instances":[[1,2]]}"#, "unexpected shape"),
            (#"{"rows":[[1,2,3]]}"#, "neither 'instances' nor 'inputs'"),
            (#"{"model":7,"instances":[[1,2,3]]}"#, "'model' must be a text"),
            (#"{"instances":[[1,2,3]],"instances":[[1,2,3]]}"#, "more than one"),
            (#"{"inputs":[]}"#, "no 'inputs'"),
            (#"{"inputs":[{"name":"Y","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#, "unexpected inference input 'Y'"),
            (#"{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#, "unexpected shape"),
            (#"{"inputs":[{"name":"X","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}"#, "data-type is 'INT64'"),
            (#"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2]}]}"#, "needs 3 elements"),
            (#"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3"#, "not valid JSON"),
        ]
    )
    func broken(body: String, says: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let response = try await fixture.post("/predict", body)
        #expect(response.status == .badRequest)
        let message = try #require(response.errorMessage)
        #expect(message.contains(says), "\(message)")
        #expect(try response.json["error"]?["code"] == "invalid_argument")
    }

    @Test("A nest of 100,000 brackets is refused, wherever it stands", arguments: [#"{"instances":"#, #"{"x":"#, #"{"inputs":"#])
    func deep(start: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let body = start + String(repeating: "[", count: 100_000)
        let response = try await fixture.post("/predict", body)
        #expect(response.status == .badRequest)
    }

    @Test(
        "An unknown model, alias or version is 404 and names it",
        arguments: [
            ("/models/nope/predict", "'nope'"), ("/variant/Z/predict", "'Z'"), ("/v2/models/nope/infer", "'nope'"),
            ("/v2/models/tumor/versions/9/infer", "version 9"),
        ]
    )
    func unknown(path: String, says: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let response = try await fixture.post(path)
        #expect(response.status == .notFound)
        #expect(response.errorMessage?.contains(says) == true)
    }

    @Test("A version that is loaded but not released cannot be asked for")
    func unreleased() async throws {
        let fixture = try await GatewayFixture.tumor()
        #expect(try await fixture.post("/v2/models/tumor/versions/2/infer").status == .notFound)
    }

    @Test("With several models and none named, the answer says how to name one")
    func unnamed() async throws {
        let fixture = try await GatewayFixture.tumor()
        try fixture.models.load("price", 7)
        try await fixture.serve("price", ["A": (7, 100)])
        let response = try await fixture.post("/predict")
        #expect(response.status == .badRequest)
        #expect(try response.json["error"]?["remedy"]?.stringValue?.contains("x-model") == true)
    }

    @Test("Too few bytes, a wrong length header, a body that is not what its encoding says: refused", arguments: [
        ("inference-header-content-length", "100"), ("inference-header-content-length", "-1"),
        ("inference-header-content-length", "x"), ("content-encoding", "br"), ("content-encoding", "gzip"),
    ])
    func headers(name: String, value: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let field = try #require(HTTPField.Name(name))
        #expect(try await fixture.post("/predict").status == .ok)
        let response = try await fixture.post("/predict", headers: [field: value])
        #expect(response.status == .badRequest)
        #expect(response.errorMessage != nil)
    }

    @Test("A client id of 100 KB is refused, not hashed")
    func longClient() async throws {
        let fixture = try await GatewayFixture.tumor()
        #expect(try await fixture.post("/predict", client: String(repeating: "x", count: 100_000)).status == .badRequest)
    }

    @Test("No mutation of a good body makes the gateway fail", arguments: 0..<8 as Range<UInt64>)
    func fuzz(seed: UInt64) async throws {
        let fixture = try await GatewayFixture.tumor()
        var random = SeededGenerator(seed: seed)
        let good = Array(#"{"model":"tumor","instances":[[1,2.5,-3e2],[4,5,6]],"x":{"y":[null,"a\"b"]}}"#.utf8)
        for _ in 0..<400 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.removeSubrange(position...)
                default: bytes.insert(contentsOf: bytes[..<position], at: position)
                }
                if bytes.isEmpty { break }
            }
            let response = try await fixture.post("/predict", bytes: ByteBuffer(bytes: bytes))
            #expect([200, 400, 404].contains(response.status.code), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
        }
    }
}
