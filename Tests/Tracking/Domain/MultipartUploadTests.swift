import SlipwayCore
import SlipwayTracking
import Testing

@Suite("Multipart upload")
struct MultipartUploadTests {
    private let first = Digest(of: Array("one".utf8))
    private let second = Digest(of: Array("two".utf8))

    private func upload() throws -> MultipartUpload {
        MultipartUpload(id: .random(), path: try ArtifactPath("a/b"), parts: 2, created: Timestamp(milliseconds: 0))
    }

    private var stored: [MultipartPart] {
        [MultipartPart(number: 1, bytes: 3, digest: first), MultipartPart(number: 2, bytes: 3, digest: second)]
    }

    @Test("All parts, once, in order and with their ETags complete an upload; the ETag may be quoted")
    func whole() throws {
        try upload().check([PartClaim(number: 1, etag: first.hex), PartClaim(number: 2, etag: "\"\(second.hex)\"")], against: stored)
    }

    @Test("A missing, repeated, misplaced, unknown or changed part refuses the completion")
    func refused() throws {
        let one = PartClaim(number: 1, etag: first.hex)
        let two = PartClaim(number: 2, etag: second.hex)
        let upload = try upload()
        for claims in [[], [one], [two], [two, one], [one, one], [one, two, PartClaim(number: 3, etag: "x")], [one, PartClaim(number: 2, etag: first.hex)]] {
            let error = #expect(throws: PlatformError.self) { try upload.check(claims, against: stored) }
            #expect(error?.code == .invalidArgument)
        }
        let missing = #expect(throws: PlatformError.self) { try upload.check([one, two], against: [stored[0]]) }
        #expect(missing?.message == "part 2 of the upload of 'a/b' was not received")
    }

    @Test("An upload expires after its lifetime, not before")
    func expiry() throws {
        let upload = try upload()
        let last = upload.created.advanced(by: MultipartLimits.lifetime)
        #expect(!upload.hasExpired(at: last))
        #expect(upload.hasExpired(at: last.advanced(by: .milliseconds(1))))
    }

    @Test("An id has 64 hex digits, none twice, and nothing else is one")
    func ids() throws {
        let id = UploadID.random()
        #expect(try UploadID(id.text) == id)
        #expect(UploadID.random() != id)
        for text in ["", "..", id.text.uppercased() + "", "\(id.text)0", String(repeating: "G", count: 64)] where text != id.text {
            let error = #expect(throws: PlatformError.self) { try UploadID(text) }
            #expect(error?.code == .notFound)
        }
    }
}
