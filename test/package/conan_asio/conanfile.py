# Stands in for the Conan package of Asio, so that no remote is needed: it packs the Asio of this machine.
import os

from conan import ConanFile
from conan.tools.files import copy


class Asio(ConanFile):
    name = "asio"
    version = "1.22.1"
    package_type = "header-library"

    def package(self):
        for pattern in "asio.hpp", "asio/*":
            copy(self, pattern, src=os.environ["ASIO"], dst=os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
