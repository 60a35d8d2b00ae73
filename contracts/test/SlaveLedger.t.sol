// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISlaveLedger} from "../src/interfaces/ISlaveLedger.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

contract SlaveLedgerTest is Test {
    address private constant MASTER = address(0x51);
    address private constant WRITER = address(0x90);
    address private constant NEXT_MASTER = address(0x52);
    address private constant STRANGER = address(0x70);
    uint8 private constant KIND = 3;

    ISlaveLedger private _ledger;

    function setUp() public {
        _ledger = ISlaveLedger(vm.deployCode("SlaveLedger.sol", abi.encode(MASTER)));
    }

    function test_theMasterMayWriteFromTheStartAndNobodyElse() public {
        assertTrue(_ledger.master() == MASTER, "the master");
        assertTrue(_ledger.mayWrite(MASTER), "the master may write");
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotWriter.selector, STRANGER));
        vm.prank(STRANGER);
        _ledger.append(KIND, "record");
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotWriter.selector, STRANGER));
        vm.prank(STRANGER);
        _ledger.appendMany(new uint8[](0), new bytes[](0));
    }

    function test_theMasterLetsAWriterInAndStopsIt() public {
        vm.expectEmit(address(_ledger));
        emit ISlaveLedger.WriterChanged(WRITER, true);
        _setWriter(MASTER, true);
        vm.prank(WRITER);
        _ledger.append(KIND, "record");
        _setWriter(MASTER, false);
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotWriter.selector, WRITER));
        vm.prank(WRITER);
        _ledger.append(KIND, "record");
    }

    function test_onlyTheMasterDecidesWhoWrites() public {
        _setWriter(MASTER, true);
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotMaster.selector, WRITER));
        _setWriter(WRITER, true);
    }

    function test_theMasterHandsTheLedgerOverToItsNextKey() public {
        vm.expectEmit(address(_ledger));
        emit ISlaveLedger.MasterChanged(NEXT_MASTER);
        vm.prank(MASTER);
        _ledger.changeMaster(NEXT_MASTER);
        assertTrue(_ledger.master() == NEXT_MASTER, "the next key");
        assertFalse(_ledger.mayWrite(MASTER), "the old key writes no more");
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotMaster.selector, MASTER));
        _setWriter(MASTER, true);
        _setWriter(NEXT_MASTER, true);
        vm.prank(NEXT_MASTER);
        _ledger.append(KIND, "record");
    }

    function test_onlyTheMasterHandsTheLedgerOverAndNeverToNobody() public {
        _setWriter(MASTER, true);
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.NotMaster.selector, WRITER));
        vm.prank(WRITER);
        _ledger.changeMaster(WRITER);
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.MasterMissing.selector));
        vm.prank(MASTER);
        _ledger.changeMaster(address(0));
    }

    function testFuzz_aLeafBindsAuthorKindAndContent(uint8 kind, bytes calldata content) public {
        bytes32 leaf = sha256(abi.encodePacked(hex"00", bytes20(MASTER), bytes1(kind), content));
        vm.expectEmit(address(_ledger));
        emit ISlaveLedger.RecordAppended(0, MASTER, kind, leaf, content);
        vm.prank(MASTER);
        _ledger.append(kind, content);
    }

    function test_recordsAreNumberedInTheirOrder() public {
        uint8[] memory kinds = new uint8[](3);
        bytes[] memory contents = new bytes[](3);
        for (uint8 i; i < 3; ++i) {
            (kinds[i], contents[i]) = (i, abi.encode(i));
        }
        vm.prank(MASTER);
        assertEq(_ledger.append(KIND, "first"), 0, "the first record");
        for (uint8 i; i < 3; ++i) {
            bytes32 leaf = sha256(abi.encodePacked(hex"00", bytes20(MASTER), bytes1(i), abi.encode(i)));
            vm.expectEmit(address(_ledger));
            emit ISlaveLedger.RecordAppended(1 + i, MASTER, i, leaf, abi.encode(i));
        }
        vm.prank(MASTER);
        assertEq(_ledger.appendMany(kinds, contents), 1, "the first of the batch");
        vm.prank(MASTER);
        assertEq(_ledger.append(KIND, "last"), 4, "the last record");
        assertEq(_ledger.leafCount(), 5, "all records");
    }

    function test_aBatchNeedsAKindForEachRecord() public {
        vm.expectRevert(abi.encodeWithSelector(ISlaveLedger.LengthsDiffer.selector));
        vm.prank(MASTER);
        _ledger.appendMany(new uint8[](1), new bytes[](2));
    }

    function _setWriter(address caller, bool allowed) private {
        address[] memory writers = new address[](1);
        writers[0] = WRITER;
        vm.prank(caller);
        _ledger.setWriters(writers, allowed);
    }
}
