import SlipwayCore
import Testing

@Suite("JSON value")
struct JSONValueTests {
    let value: JSONValue = [
        "text": "a", "int": 3, "double": 2.5, "flag": true, "list": [1], "object": ["x": 1], "none": nil,
    ]

    @Test("An accessor gives its own kind")
    func accessors() {
        #expect(value["text"]?.stringValue == "a")
        #expect(value["int"]?.intValue == 3)
        #expect(value["int"]?.doubleValue == 3)
        #expect(value["double"]?.doubleValue == 2.5)
        #expect(value["flag"]?.boolValue == true)
        #expect(value["list"]?.arrayValue == [1])
        #expect(value["object"]?.objectValue == ["x": 1])
        #expect(value["none"]?.isNull == true)
    }

    @Test(
        "An accessor gives nothing for any other kind, so a text never passes for a number",
        arguments: ["text", "int", "double", "flag", "list", "object", "none"]
    )
    func otherKinds(key: String) throws {
        let member = try #require(value[key])
        #expect((member.stringValue != nil) == (key == "text"))
        #expect((member.intValue != nil) == (key == "int"))
        #expect((member.doubleValue != nil) == (key == "int" || key == "double"))
        #expect((member.boolValue != nil) == (key == "flag"))
        #expect((member.arrayValue != nil) == (key == "list"))
        #expect((member.objectValue != nil) == (key == "object"))
        #expect(member.isNull == (key == "none"))
    }

    @Test("A double is an integer only if it is whole and fits")
    func wholeDoubles() {
        #expect(JSONValue.double(4).intValue == 4)
        #expect(JSONValue.double(-0.0).intValue == 0)
        for number in [4.5, 1e19, -1e19, .nan, .infinity, 9_223_372_036_854_775_808] {
            #expect(JSONValue.double(number).intValue == nil)
        }
    }

    @Test("A member of what is no object, or that is not there, is nothing")
    func members() {
        #expect(value["other"] == nil)
        #expect(JSONValue.array([1])["0"] == nil)
        #expect(JSONValue.null["a"] == nil)
    }

    @Test("An integer and a double are different values, even when they count the same")
    func kinds() {
        #expect(JSONValue.int(1) != .double(1))
        #expect(JSONValue.int(1) != .bool(true))
        #expect(JSONValue.string("1") != .int(1))
    }

    @Test("The last of two literal members with one key stays")
    func literal() {
        let twice: JSONValue = ["a": 1, "a": 2]
        #expect(twice == .object(["a": .int(2)]))
    }
}
