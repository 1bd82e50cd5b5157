/* zabctl doctor: each check finds what is good and what is not, in a tree of its own. */
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>

#include <filesystem>

#include "test/service/served_node.h"

extern "C" {
#include "service/doctor/doctor.h"
}

namespace fs = std::filesystem;

namespace {

const char kPci[] = "sys/bus/pci/devices/0000:3b:00.0";
const char kVfio[] = R"("eal": ["--in-memory", "-m", "512"], "ports": [{"name": "0000:3b:00.0"}],)";
const std::string kNoName(64, 'a'); /* a label too long for DNS: no server is asked */
const char kXdp[] = R"("ports": [{"name": "net_af_xdp0", "args": "iface=eth9,start_queue=1"}],)";

std::string TwoPeers(int quorum = 2881, int other = 3882, const std::string &host = "127.0.0.1") {
  return R"([{"id": 1, "address": "127.0.0.1", "quorum_port": )" + std::to_string(quorum) +
         R"(, "election_port": 3881, "fast": {"ip": "192.0.2.11"}}, {"id": 2, "address": ")" +
         host + R"(", "quorum_port": 2882, "election_port": )" + std::to_string(other) +
         R"(, "fast": {"ip": "10.0.0.2"}}])";
}

struct Doctor_ : testing::Test {
  Doctor_() {
    char dir[] = "/tmp/zabline-test-XXXXXX";
    home = mkdtemp(dir);
    root = home + "/tree";
    d = std::make_unique<doctor>();
    d->root = root.c_str();
    d->timeout_ms = 200;
    d->uid = geteuid();
  }
  ~Doctor_() override {
    fs::remove_all(home);
    cJSON_Delete(status);
  }

  void Write(const std::string &path, const std::string &text) {
    fs::create_directories(fs::path(root + "/" + path).parent_path());
    std::ofstream(root + "/" + path) << text << "\n";
  }
  void Link(const std::string &path, const std::string &target) {
    fs::create_directories(fs::path(root + "/" + path).parent_path());
    fs::remove(root + "/" + path);
    fs::create_symlink(target, root + "/" + path);
  }
  void Configure(const std::string &keys, const std::string &peers = TwoPeers()) {
    std::string file = home + "/node.json";
    std::ofstream(file) << "{" << keys << R"("cluster": "c", "id": 1, "data_dir": ")" << home
                        << R"(/data", "control_socket": ")" << home
                        << R"(/control.sock", "peers": )" << peers << "}";
    config_error e;
    ASSERT_EQ(config_load(&config, file.c_str(), &e), 0) << e.text;
    d->config = &config;
  }
  void Status(const std::string &json) {
    status = cJSON_Parse(json.c_str());
    ASSERT_TRUE(status) << json;
    d->status = status;
  }

  void Run(void (*check)(struct doctor *)) {
    d->row_cnt = 0;
    check(d.get());
  }
  const doctor_row &Row(const std::string &check, const std::string &subject = "") {
    for (int i = 0; i < d->row_cnt; i++)
      if (check == d->rows[i].check && (subject.empty() || subject == d->rows[i].subject))
        return d->rows[i];
    ADD_FAILURE() << "no row " << check << " " << subject;
    static const doctor_row none = {};
    return none;
  }
  /* What is not ok says what was found and, unless it does not apply, how to mend it. */
  void Expect(doctor_verdict verdict, const doctor_row &row, const std::string &found,
              const std::string &mend = "") {
    EXPECT_EQ(verdict, row.verdict) << row.check << " " << row.subject << ": " << row.found;
    EXPECT_NE(std::string(row.found).find(found), std::string::npos) << row.found;
    bool good = verdict == DOCTOR_OK || verdict == DOCTOR_NOT_APPLICABLE;
    EXPECT_EQ(good, *row.mend == 0) << row.check << ": " << row.mend;
    EXPECT_NE(std::string(row.mend).find(mend), std::string::npos) << row.mend;
  }

  /* What check says of the processor with this file in the tree. */
  void ExpectWith(const std::string &path, const std::string &text, doctor_verdict verdict,
                  const std::string &check, const std::string &found,
                  const std::string &mend = "") {
    Write(path, text);
    Run(doctor_check_cpu);
    Expect(verdict, Row(check), found, mend);
  }

  /* A device as the kernel shows it, bound to vfio-pci, alone in its group. */
  void Vfio() {
    Write(std::string(kPci) + "/vendor", "0x8086");
    Write(std::string(kPci) + "/class", "0x020000");
    Write(std::string(kPci) + "/numa_node", "1");
    Link(std::string(kPci) + "/driver", "../../../bus/pci/drivers/vfio-pci");
    Write("sys/kernel/iommu_groups/17/devices/0000:3b:00.0", "");
    Write("dev/vfio/17", "");
    Link(std::string(kPci) + "/iommu_group", root + "/sys/kernel/iommu_groups/17");
  }
  void Interface(const std::string &name, const std::string &state = "up",
                 const std::string &flags = "0x1003") {
    Write("sys/class/net/" + name + "/flags", flags);
    Write("sys/class/net/" + name + "/operstate", state);
    Write("sys/class/net/" + name + "/mtu", "1500");
    Write("sys/class/net/" + name + "/device/numa_node", "0");
  }

  std::string home, root;
  ::config config{};
  cJSON *status = nullptr;
  std::unique_ptr<doctor> d;
};
using Doctor = Doctor_;

/* ---- ports ---- */

TEST_F(Doctor, ADeviceAtVfioAloneInItsGroupIsGood) {
  Configure(kVfio);
  Vfio();
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("port"), "vfio-pci");
  Expect(DOCTOR_OK, Row("iommu"), "group 17");
  Expect(DOCTOR_OK, Row("vfio"), "/dev/vfio/17");
  Expect(DOCTOR_NOT_APPLICABLE, Row("mtu"), "1500");
}

TEST_F(Doctor, AShortPciAddressIsTheOneOfDomain0) {
  Configure(R"("ports": [{"name": "3b:00.0"}],)");
  Vfio();
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("port", "3b:00.0"), "vfio-pci");
}

TEST_F(Doctor, ADeviceOfAKernelDriverIsToBeBound) {
  Configure(kVfio);
  Vfio();
  Link(std::string(kPci) + "/driver", "../drivers/ice");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "bound to ice", "driverctl set-override 0000:3b:00.0 vfio-pci");
  fs::remove(root + "/" + kPci + "/driver");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "no driver", "driverctl");
  Link(std::string(kPci) + "/driver", "../drivers/uio_pci_generic");
  Run(doctor_check_ports);
  Expect(DOCTOR_WARN, Row("port"), "no IOMMU guards", "driverctl");
}

TEST_F(Doctor, AMissingDeviceFailsAndAnUnreadableTreeIsUnknown) {
  Configure(kVfio);
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("port"), "cannot be read");
  Write("sys/bus/pci/devices/other/vendor", "0x8086");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "no PCI device 0000:3b:00.0", "lspci");
}

TEST_F(Doctor, WithoutAnIommuVfioGivesNothingAway) {
  Configure(kVfio);
  Vfio();
  fs::remove(root + "/" + kPci + "/iommu_group");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("iommu"), "no IOMMU group", "intel_iommu=on");
  Write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y");
  Run(doctor_check_ports);
  Expect(DOCTOR_WARN, Row("iommu"), "unguarded", "intel_iommu=on");
}

TEST_F(Doctor, AnotherDeviceOfTheGroupKeepsItFromDpdkUnlessItIsABridge) {
  Configure(kVfio);
  Vfio();
  Write("sys/kernel/iommu_groups/17/devices/0000:3b:00.1", "");
  Write("sys/bus/pci/devices/0000:3b:00.1/class", "0x060400");
  Link("sys/bus/pci/devices/0000:3b:00.1/driver", "../drivers/pcieport");
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("iommu"), "group 17");
  Write("sys/bus/pci/devices/0000:3b:00.1/class", "0x020000");
  Link("sys/bus/pci/devices/0000:3b:00.1/driver", "../drivers/i40e");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("iommu"), "0000:3b:00.1, bound to i40e",
         "driverctl set-override 0000:3b:00.1");
}

TEST_F(Doctor, AMissingDeviceFileOfVfioIsNamed) {
  Configure(kVfio);
  Vfio();
  fs::remove(root + "/dev/vfio/17");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("vfio"), "/dev/vfio/17: No such file", "modprobe vfio-pci");
}

TEST_F(Doctor, AMellanoxDeviceStaysWithItsKernelDriver) {
  Configure(kVfio);
  Vfio();
  Write(std::string(kPci) + "/vendor", "0x15b3");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "bound to vfio-pci", "driverctl unset-override 0000:3b:00.0");
  Link(std::string(kPci) + "/driver", "../drivers/mlx5_core");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "without verbs", "modprobe mlx5_ib");
  Write(std::string(kPci) + "/infiniband/mlx5_0/node_guid", "");
  fs::create_directories(root + "/" + kPci + "/net/enp59s0");
  Interface("enp59s0");
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("port"), "mlx5_core");
  Expect(DOCTOR_OK, Row("link"), "enp59s0 is up");
  Expect(DOCTOR_OK, Row("mtu"), "1500");
}

TEST_F(Doctor, AnInterfaceIsThereUpAndLinked) {
  Configure(kXdp);
  Interface("eth9");
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("port"), "interface eth9");
  Expect(DOCTOR_OK, Row("link"), "eth9 is up");
  Interface("eth9", "down", "0x1002");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("link"), "eth9 is down", "ip link set dev eth9 up");
  Interface("eth9", "down");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("link"), "no link", "ethtool eth9");
  Interface("eth9", "unknown");
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("link"), "does not tell", "ethtool eth9");
  fs::remove(root + "/sys/class/net/eth9/flags");
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("link"), "cannot be read", "ip link show dev eth9");
}

TEST_F(Doctor, AMissingOrUnnamedInterfaceFails) {
  Configure(kXdp);
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("port"), "cannot be read");
  Interface("eth8");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "no interface eth9", "ip -brief link");
  Configure(R"("ports": [{"name": "net_af_packet0", "args": "qpairs=1"}],)");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("port"), "name no interface", "iface=NAME");
}

TEST_F(Doctor, AnInterfaceMustTakeTheMtuOfTheConfig) {
  Configure(std::string(kXdp) + R"("mtu": 3000,)");
  Interface("eth9");
  Run(doctor_check_ports);
  Expect(DOCTOR_FAIL, Row("mtu"), "1500 bytes, the config wants 3000",
         "ip link set dev eth9 mtu 3000");
  fs::remove(root + "/sys/class/net/eth9/mtu");
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("mtu"), "cannot be read");
}

TEST_F(Doctor, AnInterfaceOfAfXdpHasOneQueue) {
  Configure(kXdp);
  Interface("eth9");
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("queues"), "cannot be read", "ethtool -l eth9");
  Write("sys/class/net/eth9/queues/rx-0/rps_cpus", "0");
  Run(doctor_check_ports);
  Expect(DOCTOR_OK, Row("queues"), "eth9 has one");
  Write("sys/class/net/eth9/queues/rx-1/rps_cpus", "0");
  Run(doctor_check_ports);
  Expect(DOCTOR_WARN, Row("queues"), "several", "ethtool -L eth9 combined 1");
}

TEST_F(Doctor, SharedMemoryHasNoNicAndAnUnknownKindIsUnknown) {
  Configure(R"("ports": [{"name": "net_memif2"}],)");
  Run(doctor_check_ports);
  Expect(DOCTOR_NOT_APPLICABLE, Row("port"), "shared memory");
  Configure(R"("ports": [{"name": "net_tap0"}],)");
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("port"), "does not know");
}

TEST_F(Doctor, AnXdpProgramOfAnotherIsToBeRemoved) {
  Configure(kXdp);
  doctor_link l = {};
  auto judge = [&] {
    d->row_cnt = 0;
    doctor_judge_link(d.get(), &config.ports[0], &l);
    return Row("xdp", "net_af_xdp0");
  };
  Expect(DOCTOR_UNKNOWN, judge(), "cannot be read", "ip link show dev eth9");
  l.program_known = true;
  Expect(DOCTOR_OK, judge(), "eth9 has no program");
  l.program = 41;
  Expect(DOCTOR_FAIL, judge(), "XDP program already (id 41)", "ip link set dev eth9 xdp off");
  fs::create_directory(home + "/data"); /* what dpdk_app/xdp.c notes */
  std::ofstream(home + "/data/xdp-eth9") << "program 41 of boot 0a-1b\n";
  Write("proc/sys/kernel/random/boot_id", "9f-9f");
  Expect(DOCTOR_FAIL, judge(), "already", "xdp off");
  Write("proc/sys/kernel/random/boot_id", "0a-1b");
  Expect(DOCTOR_OK, judge(), "of an ended zabd (id 41)");
  l.program = 42;
  Expect(DOCTOR_FAIL, judge(), "already (id 42)", "xdp off");
  Status("{}");
  Expect(DOCTOR_OK, judge(), "the running node's program");
}

TEST_F(Doctor, ANicMustLeaveTagsWhereXdpSeesThem) {
  Configure(kXdp);
  doctor_link l = {};
  auto judge = [&] {
    d->row_cnt = 0;
    doctor_judge_link(d.get(), &config.ports[0], &l);
    return Row("rxvlan", "net_af_xdp0");
  };
  Expect(DOCTOR_NOT_APPLICABLE, judge(), "no \"vlan\"");
  Configure(R"("ports": [{"name": "net_af_xdp0", "args": "iface=eth9", "vlan": 7}],)");
  Expect(DOCTOR_UNKNOWN, judge(), "cannot be read", "ethtool -k eth9");
  l.strips_known = true;
  Expect(DOCTOR_OK, judge(), "eth9 leaves tags");
  l.strips_tags = true;
  Expect(DOCTOR_FAIL, judge(), "takes tags away", "ethtool -K eth9 rxvlan off");
}

/* The loopback is the one interface that is everywhere. */
TEST_F(Doctor, TheKernelIsAskedForProgramAndTags) {
  doctor_link l = doctor_ask_link("lo");
  EXPECT_TRUE(l.program_known && l.strips_known);
  EXPECT_FALSE(l.program || l.strips_tags);
  l = doctor_ask_link("none at all");
  EXPECT_FALSE(l.program_known || l.strips_known);
  Configure(kXdp);
  Interface("eth9"); /* in the tree only */
  Run(doctor_check_ports);
  Expect(DOCTOR_UNKNOWN, Row("xdp"), "cannot be read");
  Expect(DOCTOR_NOT_APPLICABLE, Row("rxvlan"), "no \"vlan\"");
}

/* ---- memory ---- */

TEST_F(Doctor, TheFastLcoreIsOnTheNodeOfTheNic) {
  Configure(std::string(kVfio) + R"("cores": {"fast": 4},)");
  Vfio();
  Write("sys/devices/system/node/node1/cpulist", "8-15");
  Run(doctor_check_numa);
  Expect(DOCTOR_UNKNOWN, Row("numa"), "core 4 cannot be read");
  Write("sys/devices/system/cpu/cpu4/node0/x", "");
  Run(doctor_check_numa);
  Expect(DOCTOR_WARN, Row("numa"), "on node 1, core 4 of cores.fast on node 0", "8-15");
  fs::remove_all(root + "/sys/devices/system/cpu/cpu4/node0");
  Write("sys/devices/system/cpu/cpu4/node1/x", "");
  Run(doctor_check_numa);
  Expect(DOCTOR_OK, Row("numa"), "node 1");
  Write(std::string(kPci) + "/numa_node", "-1");
  Run(doctor_check_numa);
  Expect(DOCTOR_NOT_APPLICABLE, Row("numa"), "no NUMA node");
}

TEST_F(Doctor, HugePagesAreWantedAsEalSays) {
  Configure(kVfio);
  Run(doctor_check_hugepages);
  Expect(DOCTOR_UNKNOWN, Row("hugepages"), "cannot be read");
  Write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "255");
  Write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "256");
  Run(doctor_check_hugepages);
  Expect(DOCTOR_FAIL, Row("hugepages"), "510 MiB free, 512 MiB wanted", "echo 256 > /sys/kernel");
  Write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "256");
  Run(doctor_check_hugepages);
  Expect(DOCTOR_OK, Row("hugepages"), "512 MiB free");
  Write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0");
  Status("{}"); /* a running node holds them */
  Run(doctor_check_hugepages);
  Expect(DOCTOR_OK, Row("hugepages"), "512 MiB there");
}

TEST_F(Doctor, HugePagesAreCountedOnTheNodeOfTheNic) {
  Configure(kVfio);
  Vfio();
  Write("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "8");
  Write("sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "0");
  Run(doctor_check_hugepages);
  Expect(DOCTOR_FAIL, Row("hugepages"), "0 MiB free on node 1",
         "/sys/devices/system/node/node1/hugepages");
  Write("sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "1");
  Run(doctor_check_hugepages);
  Expect(DOCTOR_OK, Row("hugepages"), "1024 MiB free on node 1");
}

TEST_F(Doctor, WithoutHugePagesInEalNoneAreWanted) {
  Configure(R"("ports": [{"name": "net_memif2"}],)");
  Run(doctor_check_hugepages);
  Expect(DOCTOR_NOT_APPLICABLE, Row("hugepages"), "--no-huge");
}

TEST_F(Doctor, LimitsAreThoseOfTheRunningNodeOrOfThisProcess) {
  Configure(kVfio);
  Run(doctor_check_limits);
  Expect(DOCTOR_UNKNOWN, Row("files"), "cannot be read", "ulimit -n");
  Expect(DOCTOR_UNKNOWN, Row("memlock"), "cannot be read", "ulimit -l");
  Write("proc/self/limits",
        "Limit      Soft Limit   Hard Limit  Units\n"
        "Max open files            1023                 4096                 files\n"
        "Max locked memory         8388608              8388608              bytes");
  Write("proc/77/limits",
        "Max open files            1024                 4096                 files\n"
        "Max locked memory         unlimited            unlimited            bytes");
  Run(doctor_check_limits);
  Expect(DOCTOR_WARN, Row("files"), "this shell (zabd@.service has its own): 1023, wanted 1024",
         "LimitNOFILE=1024");
  Expect(DOCTOR_WARN, Row("memlock"), "8388608", "LimitMEMLOCK=536870912");
  EXPECT_FALSE(doctor_failed(d.get())) << "the service has limits of its own";
  fs::create_directories(root + "/proc/76");
  fs::copy_file(root + "/proc/self/limits", root + "/proc/76/limits");
  d->pid = 76;
  Run(doctor_check_limits);
  Expect(DOCTOR_FAIL, Row("files"), "the running node: 1023, wanted 1024", "LimitNOFILE=1024");
  Expect(DOCTOR_FAIL, Row("memlock"), "8388608", "LimitMEMLOCK=536870912");
  d->pid = 77;
  Run(doctor_check_limits);
  Expect(DOCTOR_OK, Row("files"), "the running node: 1024");
  Expect(DOCTOR_OK, Row("memlock"), "unlimited");
  Configure(R"("ports": [{"name": "net_memif2"}],)");
  Run(doctor_check_limits);
  Expect(DOCTOR_NOT_APPLICABLE, Row("memlock"), "no port");
}

/* ---- processor ---- */

TEST_F(Doctor, PollingCoresAreThereAndIsolated) {
  const std::string cores =
      R"("ports": [{"name": "p"}], "cores": {"fast": 4, "disk": 5, "app": 64},)";
  Configure(cores + R"("idle": "spin",)");
  Run(doctor_check_cpu);
  Expect(DOCTOR_UNKNOWN, Row("core", "fast"), "cannot be read");
  Write("sys/devices/system/cpu/online", "0-15,32-40");
  Run(doctor_check_cpu);
  Expect(DOCTOR_UNKNOWN, Row("core", "fast"), "isolated cannot be read");
  Write("sys/devices/system/cpu/isolated", "2,4,6-7");
  Run(doctor_check_cpu);
  Expect(DOCTOR_OK, Row("core", "fast"), "core 4, isolated");
  Expect(DOCTOR_WARN, Row("core", "disk"), "core 5 is not isolated", "isolcpus=5");
  Expect(DOCTOR_FAIL, Row("core", "app"), "core 64 is not there", "put another core as \"app\"");
  Write("sys/devices/system/cpu/isolated", "");
  Run(doctor_check_cpu);
  Expect(DOCTOR_WARN, Row("core", "fast"), "not isolated", "isolcpus=4");
  Configure(cores); /* yield: config/dev3's three share a core */
  Run(doctor_check_cpu);
  Expect(DOCTOR_NOT_APPLICABLE, Row("core", "fast"), "core 4 may be shared");
  Expect(DOCTOR_WARN, Row("core", "app"), "core 64 is not there", "put another core as \"app\"");
  Configure(R"("ports": [{"name": "p"}],)");
  Run(doctor_check_cpu);
  Expect(DOCTOR_NOT_APPLICABLE, Row("core", "fast"), "not pinned");
}

TEST_F(Doctor, TheFrequencyGovernorIsPerformance) {
  const std::string cpu4 = "sys/devices/system/cpu/cpu4/",
                    governor = cpu4 + "cpufreq/scaling_governor";
  Configure(R"("ports": [{"name": "p"}], "cores": {"fast": 4},)");
  Run(doctor_check_cpu);
  Expect(DOCTOR_UNKNOWN, Row("frequency"), "cannot be read");
  ExpectWith(cpu4 + "online", "1", DOCTOR_NOT_APPLICABLE, "frequency", "does not scale");
  ExpectWith(governor, "powersave", DOCTOR_WARN, "frequency", "governor powersave",
             "cpupower frequency-set");
  ExpectWith(governor, "performance", DOCTOR_OK, "frequency", "performance");
}

TEST_F(Doctor, TheClockSourceIsTsc) {
  const std::string source = "sys/devices/system/clocksource/clocksource0/current_clocksource";
  Configure(R"("ports": [{"name": "p"}],)");
  Run(doctor_check_cpu);
  Expect(DOCTOR_UNKNOWN, Row("clock"), "cannot be read");
  ExpectWith(source, "hpet", DOCTOR_WARN, "clock", "hpet, not tsc", "clocksource=tsc");
  ExpectWith(source, "tsc", DOCTOR_OK, "clock", "tsc");
}

/* ---- disk ---- */

TEST_F(Doctor, TheDataDirectoryIsMeasuredAndNothingIsLeftThere) {
  Configure(R"("ports": [{"name": "p"}], "min_free_bytes": 0,)");
  fs::create_directory(home + "/data");
  Run(doctor_check_disk);
  Expect(DOCTOR_OK, Row("data_dir"), home + "/data");
  EXPECT_TRUE(fs::is_empty(home + "/data"));
  EXPECT_NE(std::string(Row("write_latency").found).find("durable writes of 4 KiB: p50 "),
            std::string::npos)
      << Row("write_latency").found;
  EXPECT_NE(DOCTOR_FAIL, Row("free_space").verdict);
}

TEST_F(Doctor, MeasuringWritesTakesTimeAndSorts) {
  doctor_writes w = doctor_measure(home.c_str());
  EXPECT_EQ(w.error, 0);
  EXPECT_GT(w.cnt, 0);
  EXPECT_GT(w.max_us, 0u);
  EXPECT_LE(w.p50_us, w.p99_us);
  EXPECT_LE(w.p99_us, w.max_us);
  EXPECT_EQ(doctor_measure((home + "/none").c_str()).error, ENOENT);
}

TEST_F(Doctor, AMissingDataDirectoryIsToBeFormattedAndItsDiskIsMeasured) {
  Configure(R"("ports": [{"name": "p"}], "min_free_bytes": 0,)");
  Run(doctor_check_disk);
  Expect(DOCTOR_WARN, Row("data_dir"), "not there yet; measured in " + home, "--format");
  EXPECT_NE(DOCTOR_UNKNOWN, Row("write_latency").verdict);
  std::ofstream(home + "/data") << "a file";
  Run(doctor_check_disk);
  Expect(DOCTOR_FAIL, Row("data_dir"), "not a directory");
}

TEST_F(Doctor, SlowWritesWarnAndAStandstillFails) {
  Configure(R"("ports": [{"name": "p"}], "disk_timeout_ms": 100,)");
  auto judge = [&](doctor_writes w) {
    d->row_cnt = 0;
    doctor_judge_writes(d.get(), &w);
  };
  judge({0, true, 200, 60, 90, 500});
  Expect(DOCTOR_OK, Row("o_direct"), "has it");
  Expect(DOCTOR_OK, Row("write_latency"), "p50 60, p99 90, longest 500 us");
  judge({0, true, 200, 1000, 5000, 9000});
  Expect(DOCTOR_WARN, Row("write_latency"), "p50 1000", "NVMe");
  judge({0, true, 200, 60, 90, 100000});
  Expect(DOCTOR_FAIL, Row("write_latency"), "longest 100000 us", "steps down after 100 ms");
  judge({0, false, 200, 60, 90, 500});
  Expect(DOCTOR_WARN, Row("o_direct"), "refuses it", "ext4 or xfs");
  judge({EACCES, false, 0, 0, 0, 0});
  Expect(DOCTOR_UNKNOWN, Row("write_latency"), "Permission denied", "as zabd's user");
}

TEST_F(Doctor, FreeSpaceIsComparedWithTheConfig) {
  Configure(R"("ports": [{"name": "p"}], "min_free_bytes": 1099511627776,)");
  Run(doctor_check_disk);
  Expect(DOCTOR_FAIL, Row("free_space"), "min_free_bytes 1048576 MiB", "df -h");
  Configure(R"("ports": [{"name": "p"}], "min_free_bytes": 0, "snapshots_kept": 100,
               "snapshot_log_bytes": 1099511627776,)");
  Run(doctor_check_disk);
  Expect(DOCTOR_WARN, Row("free_space"), "log and snapshots up to", "df -h");
  Configure(R"("ports": [{"name": "p"}], "min_free_bytes": 0, "snapshots_kept": 1,
               "segment_bytes": 4194304, "snapshot_log_bytes": 65536,)");
  Run(doctor_check_disk);
  Expect(DOCTOR_OK, Row("free_space"), "MiB free");
}

/* ---- users ---- */

/* Makes root the one who asks, and path another user's: ours, or if we are root nobody's. */
uid_t Others(doctor *d, const std::string &path) {
  d->uid = 0;
  if (geteuid() == 0) EXPECT_EQ(0, chown(path.c_str(), 65534, 65534));
  return geteuid() ? geteuid() : 65534;
}
std::string Name(uid_t uid) {
  const passwd *p = getpwuid(uid);
  return p ? p->pw_name : "#" + std::to_string(uid);
}

TEST_F(Doctor, ADirectoryIsFormattedAsTheUserOfTheOneAboveIt) {
  Configure(R"("ports": [{"name": "p"}],)");
  const std::string own = "zabd --config " + home + "/node.json --format";
  Run(doctor_check_disk);
  EXPECT_EQ(own, Row("data_dir").mend);
  uid_t user = Others(d.get(), home);
  Run(doctor_check_disk);
  EXPECT_EQ("runuser -u " + Name(user) + " -- " + own, Row("data_dir").mend);
}

TEST_F(Doctor, BelowADirectoryOfRootsTheUserOfTheServiceFormats) {
  Configure(R"("ports": [{"name": "p"}],)");
  doctor_row row = {};
  doctor_mend_format(d.get(), &row, "/");
  EXPECT_EQ("zabd --config " + home + "/node.json --format", std::string(row.mend));
  Write("var/lib/zabline/other/format", "");
  uid_t user = Others(d.get(), root + "/var/lib/zabline");
  doctor_mend_format(d.get(), &row, "/");
  EXPECT_EQ("runuser -u " + Name(user) + " -- zabd --config " + home + "/node.json --format",
            std::string(row.mend));
}

TEST_F(Doctor, DataBelongsToWhomTheNodeRunsAs) {
  Configure(R"("ports": [{"name": "p"}],)");
  Run(doctor_check_user);
  Expect(DOCTOR_NOT_APPLICABLE, Row("owner"), "No such file");
  fs::create_directory(home + "/data");
  Run(doctor_check_user);
  Expect(DOCTOR_OK, Row("owner"), Name(geteuid()));
  /* formatted as root: only root can make that so */
  if (geteuid() != 0) GTEST_SKIP() << "the rest needs root";
  Write("var/lib/zabline/x", "");
  uid_t user = Others(d.get(), root + "/var/lib/zabline");
  Run(doctor_check_user);
  Expect(DOCTOR_FAIL, Row("owner"), "belongs to root, the node runs as " + Name(user),
         "chown -R " + Name(user) + ": " + home + "/data");
  Others(d.get(), home + "/data");
  Run(doctor_check_user);
  Expect(DOCTOR_OK, Row("owner"), Name(user));
  std::ofstream(home + "/data/log.1") << "written by a zabd that ran as root";
  Run(doctor_check_user);
  Expect(DOCTOR_FAIL, Row("owner"), "log.1 in it belongs to root", "chown -R " + Name(user));
  fs::create_directories(root + "/proc/77");
  d->pid = 77;
  Run(doctor_check_user);
  Expect(DOCTOR_OK, Row("owner"), Name(user)); /* it runs as root: it may */
  Others(d.get(), root + "/proc/77");
  Run(doctor_check_user);
  Expect(DOCTOR_WARN, Row("owner"), "log.1 in it belongs to root", "chown -R " + Name(user));
}

TEST_F(Doctor, PortsOfTheKernelNeedCapabilities) {
  Configure(kXdp);
  Run(doctor_check_user);
  Expect(DOCTOR_UNKNOWN, Row("capabilities"), "cannot be read", "CapEff");
  Write("proc/self/status", "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000002000");
  Run(doctor_check_user);
  Expect(DOCTOR_WARN, Row("capabilities"), "this shell lacks net_admin, bpf, which a port needs",
         "systemctl start zabd@NAME");
  Write("proc/self/status", "CapEff:\t0000008000003000");
  Run(doctor_check_user);
  Expect(DOCTOR_OK, Row("capabilities"), "this shell has net_admin, net_raw, bpf");
  Write("proc/self/status", "CapEff:\t0000000000203000"); /* sys_admin contains bpf */
  Run(doctor_check_user);
  Expect(DOCTOR_OK, Row("capabilities"), "this shell");
  Write("proc/77/status", "CapEff:\t0000000000000000");
  d->pid = 77;
  Run(doctor_check_user);
  Expect(DOCTOR_WARN, Row("capabilities"), "the running node lacks net_admin, net_raw, bpf",
         "as root");
}

TEST_F(Doctor, CapabilitiesAreThoseOfTheKindOfPort) {
  Write("proc/self/status", "CapEff:\t0000000000000000");
  Configure(R"("ports": [{"name": "net_af_packet0", "args": "iface=eth9"}],)");
  Run(doctor_check_user);
  Expect(DOCTOR_WARN, Row("capabilities"), "lacks net_raw, which", "zabd@NAME");
  Configure(kVfio);
  Vfio();
  Run(doctor_check_user);
  Expect(DOCTOR_NOT_APPLICABLE, Row("capabilities"), "no port needs any");
  Write(std::string(kPci) + "/vendor", "0x15b3");
  Run(doctor_check_user);
  Expect(DOCTOR_WARN, Row("capabilities"), "lacks net_admin, net_raw, which", "zabd@NAME");
}

/* ---- sockets ---- */

/* Listens at a port of its own choice. */
struct Listener {
  Listener() {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof a;
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&a), len), 0);
    EXPECT_EQ(listen(fd, 8), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr *>(&a), &len), 0);
    port = ntohs(a.sin_port);
  }
  ~Listener() { close(fd); }
  Listener(const Listener &) = delete;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;
};

/* Fills the queue of a listener that never accepts, so that the next connection gets no answer. */
struct Silence {
  Silence() {
    EXPECT_EQ(listen(deaf.fd, 0), 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(static_cast<uint16_t>(deaf.port));
    for (int i = 0; i < 8; i++) {
      fds.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      (void)!connect(fds.back(), reinterpret_cast<sockaddr *>(&a), sizeof a);
      pollfd p = {fds.back(), POLLOUT, 0};
      if (poll(&p, 1, 50) == 0) return;
    }
    ADD_FAILURE() << "the queue has no end";
  }
  ~Silence() {
    for (int fd : fds) close(fd);
  }
  Listener deaf;
  std::vector<int> fds;
};

/* A port that was free a moment ago. */
int FreePort() { return Listener().port; }

TEST_F(Doctor, APortInUseAndAForeignAddressAreNamed) {
  Listener other;
  int port = FreePort();
  Configure(R"("ports": [{"name": "p"}], "client_port": )" + std::to_string(other.port) + ",",
            TwoPeers(port));
  Run(doctor_check_listen);
  Expect(DOCTOR_OK, Row("listen", "quorum_port"), std::to_string(port) + " is free");
  Expect(DOCTOR_FAIL, Row("listen", "client_port"), "in use", "ss -ltnp");
  Configure(R"("ports": [{"name": "p"}],)",
            R"([{"id": 1, "address": "192.0.2.1", "fast": {"ip": "10.0.0.1"}},
                {"id": 2, "address": "192.0.2.2", "fast": {"ip": "10.0.0.2"}}])");
  Run(doctor_check_listen);
  Expect(DOCTOR_FAIL, Row("listen", "quorum_port"), "not an address of this machine", "ip -brief");
  Configure(R"("ports": [{"name": "p"}],)",
            R"([{"id": 1, "address": ")" + kNoName + R"(", "fast": {"ip": "10.0.0.1"}},
                {"id": 2, "address": "192.0.2.2", "fast": {"ip": "10.0.0.2"}}])");
  Run(doctor_check_listen);
  Expect(DOCTOR_FAIL, Row("listen", "quorum_port"), "does not resolve", "getent hosts");
}

TEST_F(Doctor, TheKernelMustNotHaveTheAddressOfTheFastPath) {
  Configure(kXdp);
  Run(doctor_check_listen);
  Expect(DOCTOR_OK, Row("fast.ip", "192.0.2.11"), "not the kernel's");
  Configure(kXdp,
            R"([{"id": 1, "address": "127.0.0.1", "fast": {"ip": "127.0.0.1"}},
                {"id": 2, "address": "127.0.0.2", "fast": {"ip": "10.0.0.2"}}])");
  Run(doctor_check_listen);
  Expect(DOCTOR_FAIL, Row("fast.ip"), "at lo", "ip address del 127.0.0.1 dev lo");
}

TEST_F(Doctor, ThePortsOfARunningNodeAreItsOwn) {
  Configure(R"("ports": [{"name": "p"}],)");
  Status("{}");
  Run(doctor_check_listen);
  Expect(DOCTOR_OK, Row("listen", "control_socket"), "the node runs");
  Expect(DOCTOR_NOT_APPLICABLE, Row("listen", "TCP ports"), "the node runs");
}

TEST_F(Doctor, ASocketPathThatIsNoSocketOrDoesNotAnswerFails) {
  Configure(R"("ports": [{"name": "p"}],)");
  Run(doctor_check_listen);
  Expect(DOCTOR_OK, Row("listen", "control_socket"), "is free");
  std::ofstream(home + "/control.sock") << "x";
  Run(doctor_check_listen);
  Expect(DOCTOR_FAIL, Row("listen", "control_socket"), "no socket", "ls -l");
  d->silent = "zabd did not answer within 3 s";
  Run(doctor_check_listen);
  Expect(DOCTOR_FAIL, Row("listen", "control_socket"), "did not answer", "systemctl status");
}

TEST_F(Doctor, PeersAreReachedOrRefusedOrSilent) {
  {
    Listener other;
    Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, other.port));
    Run(doctor_check_control);
    Expect(DOCTOR_OK, Row("peer", "2 control"), "answers");
  }
  Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, FreePort()));
  Run(doctor_check_control);
  Expect(DOCTOR_WARN, Row("peer", "2 control"), "zabd does not run there", "systemctl start");
  Silence silent;
  Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, silent.deaf.port));
  Run(doctor_check_control);
  Expect(DOCTOR_FAIL, Row("peer", "2 control"), "no answer", "ping 127.0.0.1");
  Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, 3882, kNoName));
  Run(doctor_check_control);
  Expect(DOCTOR_FAIL, Row("peer", "2 control"), "does not resolve", "getent hosts");
}

/* ---- what the running node knows ---- */

TEST_F(Doctor, ThePathToEachPeerIsWhatTheNodeSays) {
  Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, FreePort()));
  auto judge = [&](const std::string &own, const std::string &state, const std::string &path) {
    cJSON_Delete(status);
    Status(R"({"state": ")" + own + R"(", "leader": )" + (own == "following" ? "3" : "1") +
           R"(, "peers": [{"id": 1, "state": "self", "path": "none"}, {"id": 2, "state": ")" +
           state + R"(", "path": ")" + path + R"("}]})");
    Run(doctor_check_peers);
    return Row("peer", "2 fast");
  };
  Expect(DOCTOR_OK, judge("leading", "following", "fast"), "path fast");
  Expect(DOCTOR_FAIL, judge("leading", "following", "tcp"), "over TCP", "VLAN");
  Expect(DOCTOR_WARN, judge("leading", "unreachable", "none"), "unreachable", "on that node");
  Expect(DOCTOR_NOT_APPLICABLE, judge("following", "unknown", "none"), "its leader only (node 3)");
  cJSON_Delete(status);
  Status(R"({"state": "leading", "peers": []})");
  Run(doctor_check_peers);
  Expect(DOCTOR_UNKNOWN, Row("peer", "2 fast"), "does not know it", "restart");
  d->status = nullptr;
  Run(doctor_check_peers);
  Expect(DOCTOR_UNKNOWN, Row("peer", "2 fast"), "only the running node", "start the nodes");
}

TEST_F(Doctor, ASparePathThatIsSilentIsNamedBeforeItIsNeeded) {
  std::string peers =
      R"([{"id": 1, "address": "127.0.0.1", "quorum_port": 2881, "election_port": 3881,
      "fast": [{"ip": "192.0.2.11", "port": "p"}, {"ip": "192.0.3.11", "port": "q"}]},
      {"id": 2, "address": "127.0.0.1", "quorum_port": )" +
      std::to_string(FreePort()) + R"(, "election_port": 3882,
      "fast": [{"ip": "192.0.2.12", "port": "p"}, {"ip": "192.0.3.12", "port": "q"}]}])";
  Configure(R"("ports": [{"name": "p"}, {"name": "q"}],)", peers);
  auto judge = [&](const std::string &path, const std::string &paths) {
    cJSON_Delete(status);
    Status(
        R"({"state": "leading", "leader": 1, "peers": [{"id": 2, "state": "following", "path": ")" +
        path + R"(", "paths": {)" + paths + "}}]}");
    Run(doctor_check_peers);
    return Row("peer", "2 paths");
  };
  Expect(DOCTOR_OK, judge("fast", R"("fast": "answers", "fast2": "answers", "tcp": "unasked")"),
         "fast, fast2 answer");
  Expect(DOCTOR_WARN, judge("fast", R"("fast": "answers", "fast2": "silent", "tcp": "unasked")"),
         "fast2 silent, frames go by fast", "cable");
  Expect(DOCTOR_WARN, judge("tcp", R"("fast": "silent", "fast2": "silent", "tcp": "answers")"),
         "fast, fast2 silent, frames go by tcp", "switch");
  Expect(DOCTOR_UNKNOWN, judge("fast", R"("fast": "answers", "fast2": "unasked")"), "not asked");
  Expect(DOCTOR_NOT_APPLICABLE, judge("none", ""), "not attached");
}

TEST_F(Doctor, ARefusedPeerOrAnAttachedOneTellsWhetherTheConfigsAgree) {
  Configure(R"("ports": [{"name": "p"}],)", TwoPeers(2881, FreePort()));
  Run(doctor_check_peers);
  Expect(DOCTOR_UNKNOWN, Row("config"), "does not run", "--peer-config");
  Status(R"({"state": "leading", "peers": [{"id": 2, "state": "following", "path": "fast"}],
             "counters": {"class_differs": 0, "digest_differs": 1}})");
  Run(doctor_check_peers);
  Expect(DOCTOR_OK, Row("config"), "attached to 1");
  cJSON_Delete(status);
  Status(R"({"state": "leading", "peers": [{"id": 2, "state": "following", "path": "fast"}],
             "counters": {"class_differs": 2}})");
  Run(doctor_check_peers);
  Expect(DOCTOR_FAIL, Row("config"), "class_differs", "journalctl");
  cJSON_Delete(status);
  Status(R"({"state": "looking", "peers": [{"id": 2, "state": "unknown", "path": "none"}]})");
  Run(doctor_check_peers);
  Expect(DOCTOR_UNKNOWN, Row("config"), "no peer is attached", "--peer-config");
}

TEST_F(Doctor, AnAttachedPeerProvesTheMtuEndToEnd) {
  Configure(kXdp, TwoPeers(2881, FreePort()));
  Run(doctor_check_peers);
  Expect(DOCTOR_UNKNOWN, Row("mtu", "end to end"), "only a running node", "start the nodes");
  Status(R"({"state": "leading", "peers": [{"id": 2, "state": "connected", "path": "none"}],
             "counters": {"path_mtu": 7}})");
  Run(doctor_check_peers);
  Expect(DOCTOR_FAIL, Row("mtu", "end to end"), "no packet of 1500 bytes", "frames of 1518 bytes");
  cJSON_Delete(status);
  Status(R"({"state": "leading", "peers": [{"id": 2, "state": "following", "path": "fast"}],
             "counters": {"path_mtu": 7}})");
  Run(doctor_check_peers);
  Expect(DOCTOR_OK, Row("mtu", "end to end"), "1500 bytes pass to 1 peers");
  Configure(R"("ports": [{"name": "net_memif2"}],)", TwoPeers(2881, FreePort()));
  Run(doctor_check_peers);
  Expect(DOCTOR_NOT_APPLICABLE, Row("mtu", "end to end"), "shared memory");
}

/* ---- configs ---- */

TEST_F(Doctor, WarningsOfTheConfigAreRows) {
  Configure(R"("ports": [{"name": "p"}],)", R"([{"id": 1, "address": "127.0.0.1"}])");
  Run(doctor_check_config);
  Expect(DOCTOR_WARN, Row("config"), "leads to no peer", "config/README.md");
  Configure("", R"([{"id": 1, "address": "127.0.0.1"}])");
  Run(doctor_check_config);
  Expect(DOCTOR_OK, Row("config"), "is good");
}

TEST_F(Doctor, ConfigsOfPeersAreComparedWithOurs) {
  const std::string ours = R"("ports": [{"name": "p"}], )";
  Configure(ours);
  std::string file = home + "/peer.json";
  const char *files[] = {file.c_str()};
  d->peer_files = files;
  d->peer_file_cnt = 1;
  auto judge = [&](const std::string &keys, const std::string &cluster = "c", int id = 2,
                   const std::string &peers = TwoPeers(), const std::string &ports = "") {
    std::ofstream(file) << "{" << (ports.empty() ? ours : ports) << keys << R"("cluster": ")"
                        << cluster << R"(", "id": )" << id << R"(, "data_dir": "d", "peers": )"
                        << peers << "}";
    Run(doctor_check_config);
    return Row("config", file);
  };
  Expect(DOCTOR_OK, judge(R"("client_port": 2199, "cores": {"fast": 3}, )"), "agrees (node 2)");
  Expect(DOCTOR_FAIL, judge("", "other"), "cluster: c here, other there", "diff ");
  Expect(DOCTOR_FAIL, judge("", "c", 1), "id: 1 in both", "diff ");
  Expect(DOCTOR_FAIL, judge(R"("durability": "memory", )"), "durability: sync here, memory there",
         "diff ");
  Expect(DOCTOR_FAIL, judge(R"("mtu": 9000, )"), "mtu: 1500 here, 9000 there", "diff ");
  Expect(DOCTOR_FAIL, judge(R"("largest_record": 1000, )"), "largest_record: 1048576 here, 1000",
         "diff ");
  Expect(DOCTOR_WARN, judge(R"("timeout_us": 80000, )"), "timeout_us: 40000 here, 80000", "diff ");
  Expect(DOCTOR_FAIL, judge("", "c", 2, TwoPeers(2881, 3999)), "peers: node 2", "diff ");
  Expect(DOCTOR_FAIL, judge("", "c", 2, TwoPeers(2999)), "peers: node 1", "diff ");
  Expect(DOCTOR_FAIL, judge("", "c", 2, TwoPeers(), R"("ports": [{"name": "p", "vlan": 7}], )"),
         "vlan: 0 here, 7 there", "diff ");
  Expect(DOCTOR_FAIL, judge("\"nonsense\": 1, "), "unknown key", "--check-config");
}

/* ---- the whole ---- */

TEST_F(Doctor, TextAndJsonNameEveryRow) {
  Configure(kVfio);
  doctor_run(d.get());
  char *text = nullptr, *json = nullptr;
  size_t len;
  FILE *f = open_memstream(&text, &len);
  doctor_print(d.get(), f);
  fclose(f);
  f = open_memstream(&json, &len);
  doctor_print_json(d.get(), f);
  fclose(f);
  cJSON *o = cJSON_Parse(json);
  ASSERT_TRUE(o) << json;
  cJSON *list = cJSON_GetObjectItem(o, "checks");
  EXPECT_EQ(cJSON_GetArraySize(list), d->row_cnt);
  int failed = 0;
  for (int i = 0; i < d->row_cnt; i++) {
    EXPECT_NE(std::string(text).find(d->rows[i].found), std::string::npos) << d->rows[i].found;
    EXPECT_NE(std::string(text).find(d->rows[i].mend), std::string::npos) << d->rows[i].mend;
    cJSON *j = cJSON_GetArrayItem(list, i);
    EXPECT_STREQ(cJSON_GetObjectItem(j, "found")->valuestring, d->rows[i].found);
    failed += d->rows[i].verdict == DOCTOR_FAIL;
  }
  EXPECT_EQ(cJSON_GetObjectItem(o, "FAIL")->valueint, failed);
  EXPECT_EQ(doctor_failed(d.get()), failed > 0);
  cJSON_Delete(o);
  free(text);
  free(json);
}

/* The most rows that a config can bring fit. */
TEST_F(Doctor, EightPortsAndEightPeersFit) {
  std::string ports, peers;
  for (int i = 1; i <= 8; i++) {
    std::string n = std::to_string(i), comma = i > 1 ? "," : "";
    ports += comma + R"({"name": "0000:3)" + n + R"(:00.0", "args": "x"})";
    peers += comma + R"({"id": )" + n + R"(, "role": ")" + (i > 7 ? "observer" : "voter") +
             R"(", "address": "127.0.0.1", "quorum_port": )" + std::to_string(41000 + i) +
             R"(, "election_port": )" + std::to_string(42000 + i) + R"(, "fast": {"ip": "10.0.0.)" +
             n + R"(", "port": "0000:3)" + n + R"(:00.0"}})";
    std::string device = "sys/bus/pci/devices/0000:3" + n + ":00.0";
    Write(device + "/vendor", "0x8086");
    Link(device + "/driver", "../drivers/vfio-pci");
    Link(device + "/iommu_group", "../groups/" + n);
  }
  Configure(R"("ports": [)" + ports + "],", "[" + peers + "]");
  std::vector<const char *> files(8, "no such file");
  d->peer_files = files.data();
  d->peer_file_cnt = 8;
  doctor_run(d.get());
  EXPECT_GT(d->row_cnt, 70);
}

std::string NodeFile(const ServedNode &node, const std::string &more = "") {
  std::string file = node.home + "/node.json";
  std::ofstream(file) << R"({"cluster": "c", "id": 1, "min_free_bytes": 0, "data_dir": ")"
                      << node.home << R"(", "control_socket": ")" << node.config.control_socket
                      << R"(", )" << more
                      << R"("peers": [{"id": 1, "address": "127.0.0.1", "quorum_port": )"
                      << FreePort() << R"(, "election_port": )" << FreePort() << "}]}";
  return file;
}

TEST_F(Doctor, ZabctlRunsItWithoutAndWithANode) {
  ServedNode node;
  std::string file = NodeFile(node, R"("client_port": )" + std::to_string(FreePort()) + ", ");
  Ran r = Zabctl(node, {"--config", file, "doctor"});
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("control.sock is free"), std::string::npos) << r.out;
  EXPECT_EQ(r.err, "");
  node.Lead(1);
  node.Start();
  r = Zabctl(node, {"--config", file, "doctor", "--json"});
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("the node runs and answers"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("the running node: "), std::string::npos) << "limits: " << r.out;
}

TEST_F(Doctor, ZabctlFailsWithARowThatFailsAndNeedsAConfig) {
  ServedNode node;
  Listener other;
  std::string file = NodeFile(node, R"("client_port": )" + std::to_string(other.port) + ", ");
  Ran r = Zabctl(node, {"--config", file, "doctor"});
  EXPECT_EQ(r.code, EXIT_CODE_UNEXPECTED) << r.out;
  EXPECT_NE(r.out.find("1 FAIL"), std::string::npos) << r.out;
  EXPECT_EQ(Zabctl(node, {"doctor"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"--config", "/nowhere", "doctor"}).code, EXIT_CODE_CONFIG);
  EXPECT_EQ(Zabctl(node, {"--peer-config", file, "status"}).code, EXIT_CODE_CONFIG);
  std::vector<std::string> many = {"--config", file, "doctor"};
  for (int i = 0; i < LIMIT_PEERS + 1; i++) many.insert(many.end(), {"--peer-config", file});
  r = Zabctl(node, many);
  EXPECT_EQ(r.code, EXIT_CODE_CONFIG);
  EXPECT_NE(r.err.find("found more than 8"), std::string::npos) << r.err;
}

/* A frozen node listens and does not answer. */
TEST_F(Doctor, ZabctlSaysThatANodeDoesNotAnswer) {
  ServedNode node;
  std::string file = NodeFile(node);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  strcpy(a.sun_path, node.config.control_socket);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&a), sizeof a), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  Ran r = Zabctl(node, {"--config", file, "doctor"});
  close(fd);
  EXPECT_EQ(r.code, EXIT_CODE_UNEXPECTED);
  EXPECT_NE(r.out.find("did not answer within 3 s"), std::string::npos) << r.out;
}

}  // namespace
