import Testing

@testable import SlipwayTrackingServer

@Suite("Conditional request")
struct ConditionalRequestTests {
    private static let rangesCases: [String: ConditionalRequest.Decision] = [
        "bytes=0-3": .part(0..<4), "bytes=4-": .part(4..<10), "bytes=-3": .part(7..<10), "bytes=0-100": .part(0..<10), "bytes=-100": .part(0..<10),
        "bytes=9-9": .part(9..<10), "BYTES = 1-2 ": .part(1..<3), "bytes=0-99999999999999999999": .part(0..<10),
        "bytes=10-": .unsatisfiable, "bytes=20-30": .unsatisfiable, "bytes=-0": .unsatisfiable, "bytes=99999999999999999999-": .unsatisfiable,
        "bytes=0-1,3-4": .whole, "bytes=5-2": .whole, "items=0-1": .whole, "bytes=abc": .whole, "bytes=-": .whole, "bytes=": .whole, "": .whole,
        "bytes=1--2": .whole, "bytes=+1-2": .whole, "bytes": .whole,
    ]

    @Test("One range is answered with it, one beyond the end is refused; several, and what is no range, get the whole", arguments: rangesCases)
    func range(text: String, decision: ConditionalRequest.Decision) {
        #expect(ConditionalRequest(range: text).decide(etag: "\"e\"", byteCount: 10) == decision)
    }

    @Test("An empty file has no range")
    func empty() {
        #expect(ConditionalRequest(range: "bytes=0-").decide(etag: "\"e\"", byteCount: 0) == .unsatisfiable)
        #expect(ConditionalRequest(range: "bytes=-1").decide(etag: "\"e\"", byteCount: 0) == .unsatisfiable)
        #expect(ConditionalRequest().decide(etag: "\"e\"", byteCount: 0) == .whole)
    }

    private static let conditionsCases: [(ConditionalRequest, ConditionalRequest.Decision)] = [
        (ConditionalRequest(ifNoneMatch: "\"e\""), .notModified), (ConditionalRequest(ifNoneMatch: "\"x\", W/\"e\""), .notModified),
        (ConditionalRequest(ifNoneMatch: "*"), .notModified), (ConditionalRequest(ifNoneMatch: "\"x\""), .whole),
        (ConditionalRequest(ifMatch: "\"e\""), .whole), (ConditionalRequest(ifMatch: "*"), .whole),
        (ConditionalRequest(ifMatch: "W/\"e\""), .preconditionFailed), (ConditionalRequest(ifMatch: "\"x\""), .preconditionFailed),
        (ConditionalRequest(range: "bytes=0-0", ifRange: "\"e\""), .part(0..<1)),
        (ConditionalRequest(range: "bytes=0-0", ifRange: "\"x\""), .whole),
        (ConditionalRequest(range: "bytes=0-0", ifRange: "W/\"e\""), .whole),
        (ConditionalRequest(range: "bytes=0-0", ifRange: "Sat, 31 Jan 2026 12:00:00 GMT"), .whole),
        (ConditionalRequest(range: "bytes=0-0", ifNoneMatch: "\"e\""), .notModified),
        (ConditionalRequest(isHead: true, range: "bytes=0-0"), .whole), (ConditionalRequest(isHead: true, ifNoneMatch: "\"e\""), .notModified),
    ]

    @Test("Conditions come before the range, and a range of another file is the whole of this one", arguments: conditionsCases)
    func conditions(request: ConditionalRequest, decision: ConditionalRequest.Decision) {
        #expect(request.decide(etag: "\"e\"", byteCount: 10) == decision)
    }
}

@Suite("Artifact headers")
struct ArtifactHeaderTests {
    private static let typesCases: [String: String] = [
        "MLmodel": "text/plain", "MLproject": "text/plain", "conda.yaml": "text/plain", "x.JSON": "text/plain", "a.py": "text/plain",
        "n.ipynb": "text/plain", "model.onnx": "application/octet-stream", "model.pkl": "application/octet-stream", "a.png": "image/png",
        "a.html": "text/html", "a.svg": "image/svg+xml", "a.pdf": "application/pdf", "a.zip": "application/zip", "none": "application/octet-stream",
        ".json": "application/octet-stream", "a.": "application/octet-stream", "w.safetensors": "application/octet-stream", "h.h5": "application/x-hdf5",
    ]

    @Test("A media type follows from the name's ending; what is not known is bytes", arguments: typesCases)
    func types(name: String, type: String) {
        #expect(MediaTypes.type(of: name) == type)
    }

    private static let dispositionsCases: [String: String] = [
        "a.txt": "attachment; filename=a.txt", "a b.txt": "attachment; filename=\"a b.txt\"", "a\"\\.txt": "attachment; filename=\"a\\\"\\\\.txt\"",
        "größe.txt": "attachment; filename=groe.txt; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt",
        "日本": "attachment; filename=download; filename*=UTF-8''%E6%97%A5%E6%9C%AC", "50%.txt": "attachment; filename=50%.txt",
    ]

    @Test("A file's name is sent as an attachment's, in ASCII and beside it in full", arguments: dispositionsCases)
    func disposition(name: String, header: String) {
        #expect(ContentDisposition.attachment(name) == header)
    }
}
