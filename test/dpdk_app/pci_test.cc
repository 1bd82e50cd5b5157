/* Why DPDK has no such PCI device: a sysfs made for the purpose. */
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

extern "C" {
#include "dpdk_app/port_pci.h"
}

namespace {

class Pci : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/zabline-pci.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root = name;
    device = root + "/sys/bus/pci/devices/0000:03:00.0";
    make("/sys/bus/pci/devices");
    make("/dev/vfio");
    strcpy(port.name, "0000:03:00.0");
  }
  void TearDown() override { EXPECT_EQ(system(("rm -rf " + root).c_str()), 0); }

  void make(const std::string &path) { ASSERT_EQ(system(("mkdir -p " + root + path).c_str()), 0); }

  void bind(const std::string &driver) {
    make("/sys/bus/pci/devices/0000:03:00.0");
    if (!driver.empty())
      ASSERT_EQ(
          symlink(("../../../bus/pci/drivers/" + driver).c_str(), (device + "/driver").c_str()), 0);
  }

  std::string explain() {
    struct open_error e = {};
    EXPECT_EQ(pci_explain(root.c_str(), &port, &e), -1);
    return e.text;
  }

  void expect(std::initializer_list<const char *> words) {
    std::string text = explain();
    for (const char *word : words)
      EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }

  std::string root, device;
  struct config_port port = {};
};

TEST_F(Pci, NamesADeviceThatIsNotThere) {
  expect({"0000:03:00.0: no PCI device there", "lspci -D"});
}

TEST_F(Pci, NamesADeviceWithoutADriver) {
  bind("");
  expect({"bound to no driver", "dpdk-devbind.py --bind=vfio-pci 0000:03:00.0"});
}

TEST_F(Pci, NamesTheKernelsDriver) {
  bind("ixgbe");
  strcpy(port.name, "03:00.0");
  expect({"port 03:00.0: bound to the kernel's driver ixgbe",
          "dpdk-devbind.py --bind=vfio-pci 0000:03:00.0"});
}

TEST_F(Pci, LeavesABifurcatedOneWithItsDriver) {
  bind("mlx5_core");
  expect({"bound to mlx5_core, as it should be", "librte-net-mlx5"});
}

TEST_F(Pci, NamesWhatVfioMisses) {
  bind("vfio-pci");
  expect({"the IOMMU is off", "iommu=pt"});
  ASSERT_EQ(symlink("../../../kernel/iommu_groups/7", (device + "/iommu_group").c_str()), 0);
  expect({"no access to", "/dev/vfio/7", "No such file"});
  std::ofstream(root + "/dev/vfio/7") << "";
  expect({"bound to vfio-pci, and DPDK has no driver for it"});
}

}  // namespace
