# conan create cmake/conan -s compiler.cppstd=20 [-o "&:socket=True"]
import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

required_conan_version = ">=2"


class Planecast(ConanFile):
    name = "planecast"
    description = "KV caches that arrive in focus"
    license = "Apache-2.0"
    topics = ("header-only", "kv-cache", "inference", "compression")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"socket": [True, False]}
    default_options = {"socket": False}
    no_copy_source = True

    @property
    def _root(self):  # of the checkout that this recipe stands in, while it is exported
        return Path(self.recipe_folder).parent.parent

    def set_version(self):
        text = load(self, self._root / "include/planecast/version.hpp")
        self.version = ".".join(re.findall(r"#define PLANECAST_VERSION_\w+ (\d+)", text))

    def export_sources(self):
        for pattern in "LICENSE", "include/*":
            copy(self, pattern, src=self._root, dst=self.export_sources_folder)

    def requirements(self):
        if self.options.socket:
            self.requires("asio/[>=1.22 <2]", transitive_headers=True)

    def package_id(self):
        self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=Path(self.package_folder) / "licenses")
        copy(self, "include/*", src=self.source_folder, dst=self.package_folder)

    def package_info(self):
        # Conan's target for the package as a whole; its default name would be that of the component.
        self.cpp_info.set_property("cmake_target_name", "planecast::all")
        self.cpp_info.set_property("cmake_config_version_compat", "SameMinorVersion")

        library = self.cpp_info.components["planecast"]
        library.set_property("cmake_target_name", "planecast::planecast")
        library.set_property("pkg_config_name", "planecast")
        library.bindirs = library.libdirs = []

        if self.options.socket:
            socket = self.cpp_info.components["socket"]
            socket.set_property("cmake_target_name", "planecast::socket")
            socket.set_property("pkg_config_name", "planecast-socket")
            socket.requires = ["planecast", "asio::asio"]
            socket.defines = ["ASIO_STANDALONE"]
            socket.bindirs = socket.libdirs = []
            if self.settings.os in ("Linux", "FreeBSD"):
                socket.system_libs = ["pthread"]
