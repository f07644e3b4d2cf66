import SlipwayRouting
import Testing

@Suite("Replicas that lack a version")
struct ReplicaAbsencesTests {
    private func limits(pathsMax: Int = 10) -> ReplicaAbsences<String>.Limits {
        var limits = ReplicaAbsences<String>.Limits()
        limits.duration = 100
        limits.pathsMax = pathsMax
        return limits
    }

    @Test("A replica is left out for what it lacks, and for nothing else, until its time is over")
    func oneReplica() {
        var absences = ReplicaAbsences<String>(limits: limits())
        #expect(absences.isEmpty)
        absences.add("a", path: "/m/1", now: 0)
        let (during, other, after) = (absences.keys(path: "/m/1", now: 99), absences.keys(path: "/m/2", now: 99), absences.keys(path: "/m/1", now: 100))
        #expect(during == ["a"])
        #expect(other.isEmpty)
        #expect(after.isEmpty)
        #expect(absences.isEmpty, "what is past is forgotten")
    }

    @Test("Several replicas may lack the same; each has its own time")
    func severalReplicas() {
        var absences = ReplicaAbsences<String>(limits: limits())
        absences.add("a", path: "/m/1", now: 0)
        absences.add("b", path: "/m/1", now: 50)
        let (both, one) = (absences.keys(path: "/m/1", now: 60), absences.keys(path: "/m/1", now: 120))
        #expect(Set(both) == ["a", "b"])
        #expect(one == ["b"])
    }

    @Test("Memory is bounded: beyond the limit nothing more is remembered until something is past")
    func bounded() {
        var absences = ReplicaAbsences<String>(limits: limits(pathsMax: 2))
        for path in ["/m/1", "/m/2", "/m/3"] { absences.add("a", path: path, now: 0) }
        let beyond = absences.keys(path: "/m/3", now: 1)
        #expect(beyond.isEmpty)
        absences.add("a", path: "/m/3", now: 200)
        let later = absences.keys(path: "/m/3", now: 201)
        #expect(later == ["a"])
    }
}
