import SlipwayCore
import Testing

@testable import SlipwayS3

@Suite("S3 XML")
struct S3XMLTests {
    @Test("Names lose their prefix, entities become characters")
    func plain() throws {
        let found = try S3XML.parse(Array("<?xml version=\"1.0\"?>\n<s:A xmlns:s='u'><Key>a&amp;b&#x41;&#66;</Key><E/></s:A>".utf8))
        #expect(found.name == "A")
        #expect(found["Key"] == "a&bAB")
        #expect(found.children.map(\.name) == ["Key", "E"])
    }

    @Test(
        "What is no such XML is refused",
        arguments: ["", "x", "<A>", "<A></B>", "<!DOCTYPE A><A/>", "<A>&own;</A>", "<A>&#xD800;</A>", "<A>&amp</A>", "<>", "</A>"]
    )
    func refused(_ text: String) {
        #expect(throws: PlatformError.self) { try S3XML.parse(Array(text.utf8)) }
    }

    @Test("Depth has a limit")
    func deep() {
        #expect(throws: PlatformError.self) { try S3XML.parse(Array(String(repeating: "<A>", count: 100).utf8)) }
    }

    @Test("Bytes cut anywhere are refused and never crash")
    func cut() {
        let bytes = Array("<A b='c'><Key>a&amp;b</Key><E/></A>".utf8)
        for count in 0..<bytes.count {
            #expect(throws: PlatformError.self) { try S3XML.parse(Array(bytes.prefix(count))) }
        }
    }
}
