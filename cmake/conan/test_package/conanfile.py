# Builds and runs the consumer of test/package against the package.
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class TestPlanecast(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self, build_folder="../../../build/conan")

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        toolchain.cache_variables["WAY"] = "find_package"
        toolchain.cache_variables["VERSION"] = str(self.dependencies["planecast"].ref.version)
        toolchain.cache_variables["SOCKET"] = bool(self.dependencies["planecast"].options.socket)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure(build_script_folder="../../../test/package/consumer")
        cmake.build()

    def test(self):
        if can_run(self):
            socket = self.dependencies["planecast"].options.socket
            for program in ["loopback", "socket"] if socket else ["loopback"]:
                self.run(os.path.join(self.cpp.build.bindir, f"consumer-{program}"), env="conanrun")
