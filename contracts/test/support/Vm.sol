// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev Where forge answers cheatcodes: the last 20 bytes of `keccak256("hevm cheat code")`.
Vm constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

/// @title The cheatcodes of forge that the tests use
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function assertTrue(bool condition, string calldata message) external pure;
    function assertEq(uint256 actual, uint256 expected, string calldata message) external pure;
    function assertLe(uint256 actual, uint256 bound, string calldata message) external pure;
    function assume(bool condition) external pure;
    function bound(uint256 value, uint256 min, uint256 max) external view returns (uint256);

    function deployCode(string calldata artifact) external returns (address deployed);
    function deployCode(string calldata artifact, bytes calldata constructorArguments)
        external
        returns (address deployed);

    function addr(uint256 secret) external pure returns (address);
    function sign(uint256 secret, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 height) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function store(address target, bytes32 slot, bytes32 value) external;

    function expectRevert() external;
    function expectRevert(bytes calldata reason) external;
    function expectEmit(address emitter) external;
    function readFile(string calldata path) external view returns (string memory content);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);

    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gasUsed);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}
